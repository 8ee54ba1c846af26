import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { askSecret, askTask, askWord } from '../../../src/cli/prompt.ts';

const own = Object.getOwnPropertyDescriptor(process, 'stdin')!;
let terminal: PassThrough;
let signals: number;
const onSignal = () => {
  signals++;
};

beforeEach(() => {
  terminal = Object.assign(new PassThrough(), { isTTY: true });
  Object.defineProperty(process, 'stdin', { value: terminal, configurable: true });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  signals = 0;
  process.on('SIGINT', onSignal);
});
afterEach(() => {
  process.off('SIGINT', onSignal);
  vi.restoreAllMocks();
  Object.defineProperty(process, 'stdin', own);
});

/** The ways in which a terminal gives no answer. */
const ends: [string, () => unknown][] = [
  ['Ctrl-D', () => terminal.write('\x04')],
  ['Ctrl-C', () => terminal.write('\x03')],
  ['the end of the input', () => terminal.end()],
  ['a terminal that hung up', () => terminal.destroy(new Error('read EIO'))],
  [
    'a terminal that takes no wish any more',
    () => {
      Object.assign(terminal, { setRawMode: () => terminal.emit('error', new Error('setRawMode EIO')) });
      terminal.end();
    },
  ],
];

describe.each(ends)('where %s comes in place of an answer', (_, end) => {
  it('a question for a password is an error', async () => {
    const asked = askSecret('Password: ', 'Name a file.');
    end();
    await expect(asked).rejects.toThrow(/interrupted while asking|the input ended/);
  });

  it('a word was not typed', async () => {
    const asked = askWord('Sure?', 'yes');
    end();
    expect(await asked).toBe(false);
  });

  it('a question for a task stops the run', async () => {
    const asked = askTask('T');
    end();
    expect([await asked, signals]).toEqual(['no', 1]);
  });
});

describe('a question', () => {
  it('is answered by a line', async () => {
    const asked = askSecret('Password: ', '');
    terminal.write('pw 1\r');
    expect(await asked).toBe('pw 1');
    const word = askWord('Sure?', 'yes');
    terminal.write('yes\r');
    expect(await word).toBe(true);
    const task = askTask('T');
    terminal.write('y\r');
    expect([await task, signals]).toEqual(['yes', 0]);
  });

  it('waits for nothing where the input ended before', async () => {
    const first = askWord('Sure?', 'yes');
    terminal.end();
    await first;
    expect([await askTask('T'), signals]).toEqual(['no', 1]);
  });

  it('for a password says what to do where there is no terminal', async () => {
    Object.assign(terminal, { isTTY: false });
    await expect(askSecret('Password: ', 'Name a file.')).rejects.toMatchObject({ next: 'Name a file.' });
  });
});
