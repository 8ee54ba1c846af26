import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { copy, type DesiredCopy, diffCopy } from '../../../src/resource/copy.ts';
import { copyTree } from '../../../src/resource/copy-tree.ts';
import type { PathState } from '../../../src/resource/path-state.ts';
import { found, onThisMachine, state } from './on-this-machine.ts';

const { at, look, apply, run } = onThisMachine();

const same = 'a'.repeat(64);
const desired: DesiredCopy = {
  path: '/srv/x',
  owner: 'root',
  group: 'root',
  mode: 0o644,
  from: { path: '/here/x', sizeBytes: 20_000, sum: () => same },
};

describe('the difference of a copy', () => {
  it.each<[string, PathState, string | undefined, string | undefined]>([
    ['is nothing where sum, owner and mode are as wanted', state('file'), same, undefined],
    ['is a new file where there is none', state('absent'), undefined, 'new file, 20 kB'],
    ['is the content where the sum differs', state('file'), 'b'.repeat(64), 'content, 20 kB'],
    ['is a file where a link stands', state('link'), same, 'a file, not a link, 20 kB'],
    ['is the mode alone where the sum is as wanted', state('file', { mode: 0o600 }), same, 'mode 0600 → 0644'],
  ])('%s', (_, actual, sum, summary) => {
    expect(diffCopy(actual, sum, desired)?.summary).toBe(summary);
  });

  it('sends nothing where only the owner differs', () => {
    expect(diffCopy(state('file', { owner: 'web' }), same, desired)?.input).toBeUndefined();
    expect(diffCopy(state('file'), undefined, desired)?.input?.sizeBytes).toBe(20_000);
  });

  it('cannot be told where a directory stands', () => {
    expect(() => diffCopy(state('directory'), undefined, desired)).toThrow('is there but is no file');
  });

  it.each([
    [{ source: '/no/such/file' }, 'cannot be read'],
    [{ source: '/etc' }, '/etc is no file'],
    [{ path: 'relative' }, 'wants an absolute path'],
    [{ mode: 644 }, 'the mode 644'],
    [{ validate: 'true' }, 'has no %s'],
  ])('is refused for %j', (wrong, words) => {
    expect(() => copy({ source: '/etc/passwd', path: '/x', mode: 0o644, ...wrong })).toThrow(words);
  });
});

describe('a copy on a host', () => {
  it.each([0, 1, 1_000_000])('of %i bytes is the same to the byte, and is not sent again', async (sizeBytes) => {
    const bytes = randomBytes(sizeBytes);
    writeFileSync(at(`from ${sizeBytes}`), bytes);
    const resource = copy({ source: at(`from ${sizeBytes}`), path: at(`to ${sizeBytes}`), mode: 0o640 });
    expect(await apply(resource)).toEqual({ code: 0, output: '' });
    expect(readFileSync(at(`to ${sizeBytes}`)).equals(bytes)).toBe(true);
    expect(statSync(at(`to ${sizeBytes}`)).mode & 0o7777).toBe(0o640);
    expect(await look(resource)).toBeUndefined();
  });

  it('whose source is changed while it is sent does not appear', async () => {
    mkdirSync(at('moving'));
    writeFileSync(at('moving/from'), 'first');
    const change = await look(copy({ source: at('moving/from'), path: at('moving/to'), mode: 0o644 }));
    writeFileSync(at('moving/from'), 'other');
    const { code, stdout } = await runWith(change!.apply, change!.input!);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^it arrived damaged: sha256 [0-9a-f]{64}, wanted [0-9a-f]{64}; was it changed meanwhile/);
    expect(readdirSync(at('moving'))).toEqual(['from']);
  });

  const runWith = (apply: string, input: NonNullable<Awaited<ReturnType<typeof look>>>['input']) =>
    run(`exec 2>&1\nset -e\n${apply}`, { input: input! });
});

/** A directory with files, one of which may be run, in two levels. */
function tree(name: string): string {
  mkdirSync(at(`${name}/sub/empty`), { recursive: true });
  writeFileSync(at(`${name}/one`), 'one\n', { mode: 0o600 });
  writeFileSync(at(`${name}/nothing`), '');
  writeFileSync(at(`${name}/sub/tool`), '#!/bin/sh\n', { mode: 0o700 });
  writeFileSync(at(`${name}/sub/it's "big" $(x)`), randomBytes(600_000));
  symlinkSync('one', at(`${name}/link`));
  return at(name);
}

describe('a directory that is copied', () => {
  it('is there with all in it, and the second look finds nothing to do', async () => {
    const source = tree('from-tree');
    const resource = copyTree({ source, path: at('to-tree'), mode: 0o640 });
    expect((await look(resource))?.summary).toBe('5 of 5 files, 600 kB; owner, mode or directory of 3 paths');
    expect(await apply(resource)).toEqual({ code: 0, output: '' });
    for (const name of ['one', 'nothing', 'link', 'sub/tool', 'sub/it\'s "big" $(x)']) {
      expect(readFileSync(at(`to-tree/${name}`)).equals(readFileSync(at(`from-tree/${name}`))), name).toBe(true);
    }
    const mode = (name: string) => (statSync(at(`to-tree/${name}`)).mode & 0o777).toString(8);
    expect(['one', 'sub/tool', 'sub', 'sub/empty'].map(mode)).toEqual(['640', '750', '750', '750']);
    expect(await look(resource)).toBeUndefined();
  });

  it('sends only what differs, in one go, and leaves alone what is not its own', async () => {
    const source = tree('from-part');
    const resource = copyTree({ source, path: at('to-part'), mode: 0o644 });
    await apply(resource);
    writeFileSync(at('to-part/one'), 'by hand');
    writeFileSync(at('to-part/theirs'), 'theirs');
    chmodSync(at('to-part/sub/tool'), 0o600);
    const change = await look(resource);
    expect(change?.summary).toBe('1 of 5 files, 4 bytes; owner, mode or directory of 1 path');
    expect(change?.input?.sizeBytes).toBe(4);
    await apply(resource);
    expect(readFileSync(at('to-part/one'), 'utf8')).toBe('one\n');
    expect(existsSync(at('to-part/theirs'))).toBe(true);
    expect(await look(resource)).toBeUndefined();
  });

  it('needs no stream where only a mode differs', async () => {
    const source = tree('from-mode');
    await apply(copyTree({ source, path: at('to-mode'), mode: 0o644 }));
    const change = await look(copyTree({ source, path: at('to-mode'), mode: 0o600 }));
    expect(change?.input).toBeUndefined();
  });

  it('is refused where a link in it leads to a directory, or it is none', () => {
    mkdirSync(at('circle/below'), { recursive: true });
    symlinkSync('..', at('circle/below/up'));
    const wish = { path: '/srv/x', mode: 0o644 };
    expect(() => copyTree({ source: at('circle'), ...wish })).toThrow('up is a link to a directory');
    expect(() => copyTree({ source: '/etc/passwd', ...wish })).toThrow('ENOTDIR');
    expect(() => copyTree({ source: '/no/such', ...wish })).toThrow('ENOENT');
  });

  it('cannot be told where something else stands in the place of one of its directories', () => {
    const resource = copyTree({ source: tree('from-wrong'), path: '/srv/x', mode: 0o644 });
    expect(() => resource.compare(found({ '/srv/x/sub': state('file') }))).toThrow('/srv/x/sub is there but is no dir');
  });
});
