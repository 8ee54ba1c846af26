import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection, ScriptResult } from '../../../src/connection/connection.ts';
import type { Change, Resource } from '../../../src/resource/resource.ts';
import { type Applied, applyAll, probeAll, splitByMark, withBefore } from '../../../src/runner/batch.ts';
import { fakeConnection } from '../connection/fake.ts';
import { localShell } from '../connection/local-shell.ts';

let shell: Connection;
beforeAll(async () => {
  shell = await localShell();
});
afterAll(() => shell.close());

const probe = (id: string, script: string): Resource => ({
  kind: 'thing',
  id,
  probe: script,
  compare: () => undefined,
});
const change = (apply: string, rest: Partial<Change> = {}): Change => ({ summary: '', apply, ...rest });
const input = (text: string): Partial<Change> => ({
  input: { sizeBytes: Buffer.byteLength(text), open: () => Readable.from([Buffer.from(text)]) },
});

/** What became of changes, and how many round trips it took. */
async function applying(changes: Change[], connection: Connection = shell) {
  const answers: [index: number, applied: Applied][] = [];
  const before = connection.roundTrips;
  await applyAll(connection, changes, (index, applied) => answers.push([index, applied]));
  return { answers, roundTrips: connection.roundTrips - before };
}

/** A host whose shell answers each script with the same. */
function answering(result: Partial<ScriptResult>): Connection {
  return fakeConnection(async () => ({ code: 0, stdout: '', stderr: '', durationMs: 1, ...result }));
}

it('a change with a deadline of its own is ended by it, whatever comes before', async () => {
  const own = await localShell();
  const slow = applying([change('echo first'), change('sleep 30', { timeoutMs: 300 })], own);
  await expect(slow).rejects.toThrow('took longer');
  own.close();
});

describe('looking at resources', () => {
  it('takes one round trip for any number of them, and none for none', async () => {
    const before = shell.roundTrips;
    await probeAll(shell, []);
    expect(shell.roundTrips).toBe(before);
    await probeAll(
      shell,
      Array.from({ length: 200 }, (_, n) => ({ ...probe(`${n}`, `echo ${n}`), paths: [`/${n}`], sums: [`/${n}`] })),
    );
    expect(shell.roundTrips).toBe(before + 1);
  });

  it('gives the answers in the order of the resources, whatever they print', async () => {
    const all = await probeAll(shell, [
      probe('a', 'echo a; echo wrong >&2; exit 3'),
      { kind: 'thing', id: 'b', paths: ['/etc/passwd', '/none'], sums: ['/etc/passwd'], compare: () => undefined },
      probe('c', 'printf "no newline"'),
      probe('d', ':'),
    ]);
    expect(all.map(({ code, stdout }) => [code, stdout])).toEqual([
      [3, 'a\nwrong\n'],
      [0, ''],
      [0, 'no newline'],
      [0, ''],
    ]);
    expect(all[1]!.stat('/etc/passwd').type).toBe('file');
    expect(all[1]!.stat('/none').type).toBe('absent');
    expect(all[1]!.sum('/etc/passwd')).toMatch(/^[0-9a-f]{64}$/);
    expect(all[1]!.sum('/none')).toBeUndefined();
  });

  it('keeps variables, options and exits of one snippet out of the next', async () => {
    const all = await probeAll(shell, [
      probe('a', 'x=1; set -e; cd /tmp; exit 0'),
      probe('b', 'echo "${x-unset} $(pwd)"'),
    ]);
    expect(all[1]!.stdout).toBe('unset /\n');
  });

  it('is an error when a snippet gave no answer', async () => {
    await expect(probeAll(shell, [probe('a', 'if then')])).rejects.toThrow();
  });

  // Taken for absent, everything would be made anew.
  it('is an error, not a host without anything, when the shell was ended before it could look', async () => {
    const nothing = answering({ code: 137 });
    const resource: Resource = { kind: 'file', id: '/x', paths: ['/x'], compare: () => undefined };
    await expect(probeAll(nothing, [resource])).rejects.toThrow('status 137');
  });
});

describe('what stood in files before', () => {
  it('is fetched in one round trip; what is not there is empty', async () => {
    const before = shell.roundTrips;
    const texts = await withBefore(shell, [
      { path: '/etc/hostname', after: 'a' },
      { path: '/no/such file', after: 'b' },
      { path: '/etc', after: 'c' },
    ]);
    expect(texts.map((text) => [text.before !== '', text.after])).toEqual([
      [true, 'a'],
      [false, 'b'],
      [false, 'c'],
    ]);
    expect(shell.roundTrips).toBe(before + 1);
  });
});

describe('applying changes', () => {
  it('takes one round trip for a row of them, and tells each by itself', async () => {
    const { answers, roundTrips } = await applying([change('echo a'), change('echo b >&2'), change(':')]);
    expect(answers).toEqual([
      [0, { code: 0, output: 'a\n' }],
      [1, { code: 0, output: 'b\n' }],
      [2, { code: 0, output: '' }],
    ]);
    expect(roundTrips).toBe(1);
  });

  it('takes a round trip more for each one with an input, and keeps the order', async () => {
    const { answers, roundTrips } = await applying([
      change('echo a'),
      change('cat', input('bytes')),
      change('echo c'),
      change('echo d'),
    ]);
    expect(answers.map(([index, { output }]) => [index, output])).toEqual([
      [0, 'a\n'],
      [1, 'bytes'],
      [2, 'c\n'],
      [3, 'd\n'],
    ]);
    expect(roundTrips).toBe(3);
  });

  it('stops at the first that fails, whose answer is the last', async () => {
    const { answers } = await applying([change('echo a'), change('echo why; false; echo never'), change('echo c')]);
    expect(answers.at(-1)).toEqual([1, { code: 1, output: 'why\n' }]);
    expect(answers).toHaveLength(2);
  });

  it('stops at one with an input that fails', async () => {
    const { answers } = await applying([change('cat >/dev/null; exit 4', input('x')), change('echo never')]);
    expect(answers).toEqual([[0, { code: 4, output: '' }]]);
  });

  it('ends a snippet at its first command that fails, with an input as without', async () => {
    const { answers } = await applying([change('false; echo never', input('x'))]);
    expect(answers).toEqual([[0, { code: 1, output: '' }]]);
  });

  it('does not take for done what a shell that was ended did not get to', async () => {
    const { answers } = await applying([change(':'), change(':')], answering({ code: 137, stderr: 'Killed' }));
    expect(answers).toEqual([[0, { code: 137, output: 'Killed' }]]);
  });

  it('applies nothing for no changes', async () => {
    expect(await applying([])).toEqual({ answers: [], roundTrips: 0 });
  });
});

describe('an output in parts', () => {
  it.each([
    ['', []],
    ['no mark', []],
    [
      'a\nM 0\nb\nM 3\nrest',
      [
        { output: 'a', code: 0 },
        { output: 'b', code: 3 },
      ],
    ],
    [
      '\nM 0\n\nM 1\n',
      [
        { output: '', code: 0 },
        { output: '', code: 1 },
      ],
    ],
    ['a M 0\nb\n\nM 0\n', [{ output: 'a M 0\nb\n', code: 0 }]],
  ])('%j is split at its marks', (text, parts) => {
    expect(splitByMark(text, 'M')).toEqual(parts);
  });
});
