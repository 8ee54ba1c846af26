import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { diffLink, link } from '../../../src/resource/link.ts';
import type { PathState } from '../../../src/resource/path-state.ts';
import { ProbeError } from '../../../src/resource/resource.ts';
import { onThisMachine, state } from './on-this-machine.ts';

const { at, look, apply } = onThisMachine();

describe('the difference of a link', () => {
  it.each<[string, PathState, string | undefined]>([
    ['is nothing where it leads to what is wanted', state('link', { target: '/opt/v2' }), undefined],
    ['is where it leads', state('link', { target: '/opt/v1' }), '/opt/v1 → /opt/v2'],
    ['is a new link where there is none', state('absent'), 'new link to /opt/v2'],
  ])('%s', (_, actual, summary) => {
    expect(diffLink(actual, { path: '/opt/current', target: '/opt/v2' })?.summary).toBe(summary);
  });

  it.each(['file', 'directory', 'other'] as const)('cannot be told where a %s stands: that is left alone', (type) => {
    expect(() => diffLink(state(type), { path: '/opt/current', target: '/opt/v2' })).toThrow(ProbeError);
  });
});

describe('a link on a host', () => {
  it('is made, also to what is not there yet, and a second look finds nothing to do', async () => {
    const resource = link({ path: at('l'), target: '/nowhere/yet' });
    await apply(resource);
    expect(readlinkSync(at('l'))).toBe('/nowhere/yet');
    expect(await look(resource)).toBeUndefined();
  });

  it('is switched to another directory, not laid into the one it leads to', async () => {
    for (const name of ['v1', 'v2']) mkdirSync(at(name));
    await apply(link({ path: at('current'), target: at('v1') }));
    await apply(link({ path: at('current'), target: at('v2') }));
    expect(readlinkSync(at('current'))).toBe(at('v2'));
    expect([readdirSync(at('v1')), readdirSync(at('v2'))]).toEqual([[], []]);
  });

  it('takes the place of what an interrupted run left beside it', async () => {
    mkdirSync(at('left'));
    symlinkSync('/old', at('left/.l.etcd-play-new'));
    await apply(link({ path: at('left/l'), target: '/new' }));
    expect(readdirSync(at('left'))).toEqual(['l']);
  });

  it('may lead to a name with blanks, quotes or an arrow in it', async () => {
    for (const [n, target] of ['a b', "it's", 'x -> y', '-n'].entries()) {
      const resource = link({ path: at(`odd${n}`), target });
      await apply(resource);
      expect(await look(resource)).toBeUndefined();
    }
  });

  it('leaves a file in its place alone', async () => {
    writeFileSync(at('file'), 'mine');
    await expect(look(link({ path: at('file'), target: '/x' }))).rejects.toThrow('no link');
    expect(readFileSync(at('file'), 'utf8')).toBe('mine');
  });
});
