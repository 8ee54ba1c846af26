import { lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type DesiredDirectory, diffDirectory, directory } from '../../../src/resource/directory.ts';
import type { PathState } from '../../../src/resource/path-state.ts';
import { ProbeError } from '../../../src/resource/resource.ts';
import { onThisMachine, state } from './on-this-machine.ts';

const { at, look, apply, run } = onThisMachine();

const wish: DesiredDirectory = { path: '/data', owner: 'etcd', group: 'etcd', mode: 0o700 };
const there = state('directory', { owner: 'etcd', group: 'etcd', mode: 0o700 });

describe('the difference of a directory', () => {
  it.each<[string, PathState, Partial<DesiredDirectory>, string | undefined]>([
    ['is nothing where it is as wanted', there, {}, undefined],
    ['is a new one where there is none', state('absent'), {}, 'new directory, etcd, 0700'],
    [
      'is what differs in owner and mode',
      state('directory'),
      {},
      'owner root → etcd, group root → etcd, mode 0755 → 0700',
    ],
    ['is nothing for one that is only to be there', state('directory'), { onlyCreate: true }, undefined],
    ['is looked for at the end of a link', state('link', { behind: there }), {}, undefined],
    [
      'is told of the end of a link, not of the link',
      state('link', { behind: { ...there, mode: 0o755 } }),
      {},
      'mode 0755 → 0700',
    ],
  ])('%s', (_, actual, rest, summary) => {
    expect(diffDirectory(actual, { ...wish, ...rest })?.summary).toBe(summary);
  });

  it.each([
    ['a file', state('file')],
    ['a socket', state('other')],
    ['a link to a file', state('link', { behind: state('file') })],
    ['a link that leads nowhere', state('link')],
  ])('cannot be told where %s stands: that is left alone', (_, actual) => {
    expect(() => diffDirectory(actual, wish)).toThrow(ProbeError);
  });
});

describe('a directory on a host', () => {
  it('is made with its parents, which get root and 0755, and a second look finds nothing to do', async () => {
    const resource = directory({ path: at('a/b/c'), owner: 'daemon', mode: 0o700 });
    await apply(resource);
    expect(await look(resource)).toBeUndefined();
    expect(statSync(at('a/b/c')).mode & 0o7777).toBe(0o700);
    expect([statSync(at('a/b')).mode & 0o7777, statSync(at('a/b')).uid]).toEqual([0o755, 0]);
  });

  it.each(["it's", 'with space', '$(id)', '-p'])('may be called %s', async (name) => {
    const resource = directory({ path: at(`names/${name}`), mode: 0o700 });
    expect((await apply(resource))?.code).toBe(0);
    expect(await look(resource)).toBeUndefined();
  });

  it('gets owner and mode put right, and nothing in it is touched', async () => {
    mkdirSync(at('given'), { mode: 0o755 });
    writeFileSync(at('given/f'), '', { mode: 0o666 });
    const resource = directory({ path: at('given'), owner: 'daemon', mode: 0o700 });
    await apply(resource);
    expect(await look(resource)).toBeUndefined();
    expect(statSync(at('given/f')).uid).toBe(0);
  });

  it('behind a link gets owner and mode, not the link', async () => {
    mkdirSync(at('elsewhere'));
    symlinkSync('elsewhere', at('by-link'));
    const resource = directory({ path: at('by-link'), owner: 'daemon', mode: 0o700 });
    await apply(resource);
    expect(await look(resource)).toBeUndefined();
    expect(lstatSync(at('by-link')).uid).toBe(0);
    expect(statSync(at('elsewhere')).mode & 0o7777).toBe(0o700);
  });

  // mkdir hands the bit down, and chmod keeps it on directories unless it is told all five digits.
  it('under a parent with the set-group-ID bit gets the mode that is wanted', async () => {
    mkdirSync(at('shared'));
    await run(`chmod 2775 ${at('shared')}`);
    const resource = directory({ path: at('shared/data'), mode: 0o700 });
    await apply(resource);
    expect(await look(resource)).toBeUndefined();
  });

  it('loses a set-group-ID bit that is not wanted', async () => {
    mkdirSync(at('setgid'));
    await run(`chmod 2700 ${at('setgid')}`);
    const resource = directory({ path: at('setgid'), mode: 0o700 });
    expect((await look(resource))?.summary).toBe('mode 2700 → 0700');
    await apply(resource);
    expect(await look(resource)).toBeUndefined();
  });
});
