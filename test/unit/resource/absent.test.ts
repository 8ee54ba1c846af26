import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { absent, diffAbsent } from '../../../src/resource/absent.ts';
import type { PathState } from '../../../src/resource/path-state.ts';
import { onThisMachine, state } from './on-this-machine.ts';

const { at, look, apply } = onThisMachine();
const nowhere = { real: '/srv/x', mounts: ['/', '/proc', '/srv'] };

describe('the difference of a path where nothing is to be', () => {
  it.each<[PathState['type'], string | undefined]>([
    ['absent', undefined],
    ['file', 'no file'],
    ['link', 'no link'],
    ['other', 'no special file'],
    ['directory', 'no directory, with all in it'],
  ])('where one finds %s, is %s', (type, summary) => {
    expect(diffAbsent(state(type), { path: '/srv/x', recurse: true }, nowhere)?.summary).toBe(summary);
  });

  it.each([
    ['a directory, unless the task says so', '/srv/x', false, nowhere, 'only removed where the task says recurse'],
    ['a directory of the system', '/etc', true, { real: '/etc', mounts: [] }, 'that the system stands on'],
    ['one by another name', '/srv/x', true, { real: '/usr/lib', mounts: [] }, 'that the system stands on'],
    ['a mount point', '/srv/x', true, { real: '/srv/x', mounts: ['/srv/x'] }, '/srv/x is mounted there'],
    ['what has one below', '/srv/x', true, { real: '/mnt/y', mounts: ['/mnt/y/z'] }, '/mnt/y/z is mounted there'],
  ])('is not told for %s', (_, path, recurse, where, words) => {
    expect(() => diffAbsent(state('directory'), { path, recurse }, where)).toThrow(words);
  });

  it('takes a name that only begins as a mount point does', () => {
    const where = { real: '/srv/x', mounts: ['/srv/xy'] };
    expect(diffAbsent(state('directory'), { path: '/srv/x', recurse: true }, where)).toBeDefined();
  });

  it.each(['', '/', '///', 'etc/x', '/srv/../etc', '/srv/./x'])('is refused for the path %j', (path) => {
    expect(() => absent({ path, recurse: true })).toThrow(/absolute path|does not remove/);
  });
});

describe('what is to be absent on a host', () => {
  it('goes, with all that is in it, and what links in it lead to stays', async () => {
    mkdirSync(at('victim'));
    writeFileSync(at('victim/stays'), '');
    mkdirSync(at('gone/deep'), { recursive: true });
    symlinkSync(at('victim'), at('gone/deep/link'));
    await apply(absent({ path: at('gone'), recurse: true }));
    expect(existsSync(at('gone'))).toBe(false);
    expect(readdirSync(at('victim'))).toEqual(['stays']);
    expect(await look(absent({ path: at('gone'), recurse: true }))).toBeUndefined();
  });

  it('is the link, not what it leads to', async () => {
    mkdirSync(at('kept'));
    symlinkSync(at('kept'), at('a link'));
    await apply(absent({ path: at('a link') }));
    expect(existsSync(at('a link'))).toBe(false);
    expect(existsSync(at('kept'))).toBe(true);
  });
});
