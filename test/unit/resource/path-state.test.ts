import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ABSENT,
  octal,
  ownershipDifference,
  parseStats,
  parseSums,
  setOwnership,
  statScript,
  sumScript,
} from '../../../src/resource/path-state.ts';
import { onThisMachine, state } from './on-this-machine.ts';

const { at, run } = onThisMachine();

describe('the states of paths', () => {
  it('are read of files, directories, links and what is behind them, all at once', async () => {
    writeFileSync(at('file'), 'x');
    writeFileSync(at('empty'), '');
    chmodSync(at('file'), 0o4640);
    mkdirSync(at('dir'), { mode: 0o700 });
    symlinkSync('file', at('to-file'));
    symlinkSync('dir', at('to-dir'));
    symlinkSync('nowhere', at('to-nothing'));
    await run(`mkfifo ${at('pipe')}; chown daemon:daemon ${at('pipe')}`);
    const names = ['file', 'empty', 'dir', 'to-file', 'to-dir', 'to-nothing', 'pipe', 'absent'];
    const paths = names.map(at);
    const states = parseStats((await run(statScript(paths))).stdout, paths);
    const of = (name: string) => states.get(at(name));
    expect(of('file')).toEqual(state('file', { mode: 0o4640 }));
    expect(of('empty')).toEqual(state('file', { mode: 0o644 }));
    expect(of('dir')).toEqual(state('directory', { mode: 0o700 }));
    expect(of('to-file')).toMatchObject({ type: 'link', target: 'file', behind: { type: 'file', mode: 0o4640 } });
    expect(of('to-dir')).toMatchObject({ type: 'link', target: 'dir', behind: { type: 'directory' } });
    expect(of('to-nothing')).toMatchObject({ type: 'link', target: 'nowhere' });
    expect(of('to-nothing')?.behind).toBeUndefined();
    expect(of('pipe')).toMatchObject({ type: 'other', owner: 'daemon' });
    expect(of('absent')).toBeUndefined();
  });

  it.each(["it's", 'a b', 'a -> b', 'ž', '"', '$(id)', '-c', 'a|b', 'a\nb', 'a\rb', '\n0|directory|'])(
    'are read of a path called %s',
    async (name) => {
      mkdirSync(at('odd'), { recursive: true });
      writeFileSync(at(`odd/${name}`), '');
      const paths = [at(`odd/${name}`)];
      expect(parseStats((await run(statScript(paths))).stdout, paths).get(paths[0]!)).toEqual(state('file'));
    },
  );

  it('are not taken from what a link is made to lead to', async () => {
    symlinkSync('x\n0|regular file|644|root|root|/shadow', at('liar'));
    const paths = [at('liar'), '/shadow'];
    const states = parseStats((await run(statScript(paths))).stdout, paths);
    expect([...states.keys()]).toEqual([at('liar')]);
  });

  it('are not taken from lines that are none', () => {
    expect(parseStats(['stat: cannot statx', '0|regular file|644|root|root|/other', ''].join('\0'), ['/x']).size).toBe(
      0,
    );
  });

  // All at once they are more than one program takes as its arguments.
  it('and the sums are read of very many', async () => {
    const folder = at(Array(4).fill('many'.padEnd(240, '-')).join('/'));
    await run(`mkdir -p ${folder}; cd ${folder}; seq 2500 | xargs touch`);
    const paths = Array.from({ length: 2500 }, (_, n) => `${folder}/${n + 1}`);
    expect(parseStats((await run(statScript(paths))).stdout, paths).size).toBe(2500);
    expect(parseSums((await run(sumScript(paths))).stdout).size).toBe(2500);
  });

  it('of a path that is there by itself is not taken from a link with a longer name', () => {
    const text = ['0|symbolic link|777|root|root|/a -> /b', '0|regular file|644|root|root|/b', ''].join('\0');
    const states = parseStats(text, ['/a', '/b']);
    expect([states.get('/a')?.target, states.get('/b')?.type]).toEqual(['/b', 'file']);
  });
});

describe('the sums of files', () => {
  it('are read of those that are there, whatever they are called', async () => {
    const names = ['s1', 's 2', "it's", 'back\\slash', 'line\nbreak', 'line\rbreak', 'missing'];
    for (const name of names.slice(0, -1)) writeFileSync(at(name), 'x');
    const sums = parseSums((await run(sumScript(names.map(at)))).stdout);
    const x = '2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881';
    expect(names.map((name) => sums.get(at(name)))).toEqual([x, x, x, x, x, x, undefined]);
  });

  it('are not waited for where a pipe or a device stands in the place of a file', async () => {
    writeFileSync(at('plain'), '');
    await run(`mkfifo ${at('waiting')}; ln -s waiting ${at('to-waiting')}`);
    const names = ['waiting', 'to-waiting', 'plain'];
    const { stdout } = await run(sumScript([...names.map(at), '/dev/zero']), { timeoutMs: 5000 });
    expect([...parseSums(stdout).keys()]).toEqual([at('plain')]);
  });
});

describe('owner, group and mode', () => {
  it.each([
    [{}, []],
    [{ owner: 'etcd' }, ['owner etcd → root']],
    [{ group: 'etcd' }, ['group etcd → root']],
    [{ mode: 0o4755 }, ['mode 4755 → 0644']],
    [{ owner: 'a', group: 'b', mode: 0 }, ['owner a → root', 'group b → root', 'mode 0000 → 0644']],
  ])('%j differ from root root 0644 in %j', (given, words) => {
    expect(ownershipDifference({ ...ABSENT, ...state('file'), ...given }, state('file'))).toEqual(words);
  });

  it('are written with the digits people know', () => {
    expect([octal(0o644), octal(0), octal(0o1777)]).toEqual(['0644', '0000', '1777']);
  });

  it('are set owner first, since a change of owner takes set-id bits away', () => {
    expect(setOwnership('/x', { owner: 'etcd', group: 'etcd', mode: 0o700 })).toBe(
      'chown -h -- etcd:etcd /x\nchmod -- 00700 /x',
    );
  });
});
