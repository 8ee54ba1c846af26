import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  asPlayError,
  describeError,
  ExitCode,
  InputError,
  ManyErrors,
  PlayError,
  UnreachableError,
} from '../../src/errors.ts';

describe('an error in words', () => {
  it.each([
    ['has its message', new PlayError('it failed'), 'it failed'],
    ['has what to do next on a line of its own', new PlayError('it failed', { next: 'Do.' }), 'it failed\n  → Do.'],
    ['names host and task', new PlayError('x', { host: 'h1', task: 'Disk' }), 'h1: [Disk] x'],
    ['names file and line', new InputError('x', { file: 'hosts.ini', line: 3 }), 'hosts.ini:3: x'],
    ['names a file without a line', new InputError('x', { file: 'hosts.ini' }), 'hosts.ini: x'],
    ['names a line of no file not at all', new InputError('x', { line: 3 }), 'x'],
  ])('%s', (_, error, text) => {
    expect(describeError(error)).toBe(text);
  });

  it('holds errors within errors, each further in', () => {
    const inner = new ManyErrors('two:', [new PlayError('a', { next: 'Do a.' }), new PlayError('b')]);
    inner.host = 'h1';
    expect(describeError(new ManyErrors('all:', [inner, new PlayError('c')]))).toBe(
      ['all:', '  h1: two:', '    a', '      → Do a.', '    b', '  c'].join('\n'),
    );
  });

  it('that is none of ours has its stack, and what is no error its text', () => {
    expect(describeError(new TypeError('oops'))).toMatch(/^TypeError: oops\n {4}at /);
    expect(describeError('just words')).toBe('just words');
  });
});

describe('the gravest exit code', () => {
  it.each([
    [[], ExitCode.input],
    [[new InputError('x')], ExitCode.input],
    [[new InputError('x'), new PlayError('y')], ExitCode.failed],
    [[new PlayError('y'), new UnreachableError('z')], ExitCode.unreachable],
  ])('of %j is %i', (errors, code) => {
    expect(new ManyErrors('m', errors).exitCode).toBe(code);
  });
});

describe('anything that was thrown', () => {
  it('stays as it is where it is one of ours', () => {
    const error = new InputError('x');
    expect(asPlayError(error)).toBe(error);
  });

  it.each(['oops', { toString: () => 'oops' }])('that is no error is told by its words: %s', (thrown) => {
    expect(asPlayError(thrown)).toMatchObject({
      message: "'oops' was thrown",
      next: 'This is a fault of the playbook.',
    });
  });

  it('is a fault of the code, which names the line and shows it', () => {
    const { file, line, code, message, exitCode } = asPlayError(new TypeError('oops'));
    expect({ file, message, exitCode }).toEqual({
      file: fileURLToPath(import.meta.url),
      message: 'TypeError: oops',
      exitCode: ExitCode.failed,
    });
    expect(code).toBe(readFileSync(file!, 'utf8').split('\n')[line! - 1]);
    expect(code).toContain("asPlayError(new TypeError('oops'))");
  });

  it('is a fault of ours where no line of anybody else is in it, with all that is known', () => {
    const thrown = new TypeError('oops');
    thrown.stack = `TypeError: oops\n    at f (node:internal/x:1:2)\n    at g (/p/node_modules/y/z.js:1:2)`;
    const { message, details } = asPlayError(thrown);
    expect(message).toBe('unexpected: TypeError: oops');
    expect(details).toEqual(['at f (node:internal/x:1:2)', 'at g (/p/node_modules/y/z.js:1:2)']);
  });

  it('is kept as the cause', () => {
    const thrown = new TypeError('oops');
    expect(asPlayError(thrown).cause).toBe(thrown);
    expect(new PlayError('x').cause).toBeUndefined();
  });
});
