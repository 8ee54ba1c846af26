import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CommandWish, command } from '../../../src/resource/command.ts';
import { conditional, type RunConditions } from '../../../src/resource/run-conditions.ts';
import { type ScriptWish, script } from '../../../src/resource/script.ts';
import { onThisMachine } from './on-this-machine.ts';

const { at, look, apply } = onThisMachine();

/** What check mode would say. */
const said = (conditions: RunConditions, stdout: string, pending = false) => {
  const change = conditional(conditions, { stdout, pending }, 'x');
  return change ? (change.unknown ? 'unknown' : 'would change') : 'ok';
};

describe('whether a command is to be run', () => {
  it.each<[string, RunConditions, string, boolean, string]>([
    ['without a condition', {}, '', false, 'unknown'],
    ['without a condition, where its author knows', { inCheck: 'changes' }, '', false, 'would change'],
    ['where what it makes is not there', { creates: '/x' }, '', false, 'would change'],
    ['where what it makes is there', { creates: '/x' }, 'created', false, 'ok'],
    ['where what it makes is there, whatever comes before', { creates: '/x' }, 'created', true, 'ok'],
    ['where what it makes may be made before', { creates: '/x' }, '', true, 'unknown'],
    ['where `unless` holds', { unless: 'x' }, 'kept', false, 'ok'],
    ['where `unless` may not hold any more', { unless: 'x' }, 'kept', true, 'unknown'],
    ['where `unless` does not hold', { unless: 'x' }, '', false, 'would change'],
    ['where `onlyif` fails', { onlyif: 'x' }, 'kept', false, 'ok'],
    ['where it may or may not change something', { onlyif: 'x', inCheck: 'unknown' }, '', false, 'unknown'],
    [
      'after something that changes, where its author knows',
      { unless: 'x', inCheck: 'changes' },
      '',
      true,
      'would change',
    ],
    ['after something that changes, where it is kept', { unless: 'x', inCheck: 'changes' }, 'kept', true, 'unknown'],
  ])('%s', (_, conditions, stdout, pending, status) => {
    expect(said(conditions, stdout, pending)).toBe(status);
  });
});

describe('a command on a host', () => {
  it('gets its words as they are, its directory, its variables, and no input', async () => {
    mkdirSync(at('here'));
    const words = ["it's", '$HOME', '', '*', 'a\nb'];
    const print = 'printf "%s|" "$PWD" "$X" "$@"; cat';
    const resource = command({ argv: ['sh', '-c', print, 'sh', ...words], cwd: at('here'), env: { X: '$(id)' } });
    expect(await apply(resource)).toEqual({ code: 0, output: `${at('here')}|$(id)|it's|$HOME||*|a\nb|` });
  });

  it('is run as another user', async () => {
    expect(await apply(command({ argv: ['id', '-un'], user: 'daemon' }))).toEqual({ code: 0, output: 'daemon\n' });
  });

  it('is not run again where it made what it makes', async () => {
    const resource = command({ argv: ['touch', at('made')], creates: at('made') });
    expect((await apply(resource))?.code).toBe(0);
    expect(await look(resource)).toBeUndefined();
  });

  it('fails where it did not make what it makes', async () => {
    const { code, output } = (await apply(command({ argv: ['true'], creates: at('never') })))!;
    expect([code, output]).toEqual([1, `it ended well, but did not make ${at('never')}\n`]);
  });

  it('fails with its status and its words', async () => {
    expect(await apply(command({ argv: ['sh', '-c', 'echo why >&2; exit 7'] }))).toEqual({ code: 7, output: 'why\n' });
    expect((await apply(command({ argv: ['no-such-program'] })))?.code).toBe(127);
  });

  it('is no word of the shell', async () => {
    expect((await apply(command({ argv: ['exit', '0'] })))?.code).toBe(127);
  });

  it.each([
    ['unless', 'true', false],
    ['unless', 'false', true],
    ['unless', 'exit 0', false],
    ['unless', 'test "$X" = "a b"', false],
    ['onlyif', 'true', true],
    ['onlyif', 'no-such-program', false],
    ['onlyif', '[ "$PWD" = / ] && test "$X" = "a b"', true],
  ])('with %s %j is due: %s', async (condition, line, isDue) => {
    const change = await look(command({ argv: ['true'], env: { X: 'a b' }, [condition]: line }));
    expect(change !== undefined).toBe(isDue);
  });

  it.each<[Partial<CommandWish>, string]>([
    [{ argv: [] }, "begins with a program, not ''"],
    [{ argv: ['-x'] }, "begins with a program, not '-x'"],
    [{ creates: 'x' }, 'creates wants an absolute path'],
    [{ cwd: '' }, 'cwd wants an absolute path'],
    [{ user: '0' }, "a user cannot be called '0'"],
    [{ env: { 'A-B': '' } }, "an environment variable cannot be called 'A-B'"],
  ])('is refused for %j', (wrong, words) => {
    expect(() => command({ argv: ['true'], ...wrong })).toThrow(words);
  });
});

describe('a script on a host', () => {
  it.each([
    ['by sh', 'echo "$1|$X"', 'a b|y\n'],
    ['by what its first line says', '#!/bin/bash\necho "${1/a/c}|$X"', 'c b|y\n'],
    ['with one argument of its first line', '#!/bin/sh -e\ncase $- in *e*) echo "$1" ;; esac', 'a b\n'],
    ['by sh where its first line is another comment', '# hello\necho "$#"', '1\n'],
  ])('is run %s', async (_, text, output) => {
    expect(await apply(script({ text, args: ['a b'], env: { X: 'y' } }))).toEqual({ code: 0, output });
  });

  it('is a file that only its user may read, and that is gone afterwards', async () => {
    const text = 'stat -c "%a %U" "$0"; echo "$0"';
    const { output } = (await apply(script({ text, user: 'daemon' })))!;
    const [words, path] = output.split('\n');
    expect(words).toBe('600 daemon');
    expect(existsSync(path!)).toBe(false);
  });

  it('may come from a file, and is named for it', async () => {
    writeFileSync(at('script.sh'), '#!/bin/sh\necho from a file\n');
    const resource = script({ source: at('script.sh') });
    expect(resource.id).toBe(at('script.sh'));
    expect((await apply(resource))?.output).toBe('from a file\n');
  });

  it('is gone also where it fails', async () => {
    const { code, output } = (await apply(script({ text: 'echo "$0"; exit 3' })))!;
    expect(code).toBe(3);
    expect(existsSync(output.trim())).toBe(false);
  });

  it.each([
    ['\n# first\n  echo hello', 'echo hello'],
    ['# nothing', 'script'],
    ['#!/bin/bash\nset -euo pipefail\n  # why\n\nset -x;\n  mkfs /dev/sdz\n', 'mkfs /dev/sdz'],
    ['set -e; mkfs /dev/sdz', 'set -e; mkfs /dev/sdz'],
    ['settle\necho', 'settle'],
    ['set -e\n', 'set -e'],
    ['x'.repeat(80), 'x'.repeat(60)],
  ])('of %j is called %j', (text, id) => {
    expect(script({ text }).id).toBe(id);
  });

  it.each<[ScriptWish, string]>([
    [{}, 'either a text or the source of one'],
    [{ text: 'x', source: 'y' }, 'either a text or the source of one'],
    [{ source: '/no/such' }, 'cannot be read'],
    [{ text: 'x', user: '' }, "a user cannot be called ''"],
  ])('is refused for %j', (wish, words) => {
    expect(() => script(wish)).toThrow(words);
  });
});
