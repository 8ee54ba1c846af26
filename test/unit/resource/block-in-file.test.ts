import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { blockInFile, type Marks, withBlock } from '../../../src/resource/block-in-file.ts';
import { hostEntries } from '../../../src/resource/host-entries.ts';
import { onThisMachine } from './on-this-machine.ts';

const { at, look, apply } = onThisMachine();
const marks: Marks = ['# BEGIN', '# END'];
const block = '# BEGIN\nx\ny\n# END\n';

describe('a text with a block of lines', () => {
  it.each<[string, string[], string, string]>([
    ['gets it at its end', ['x', 'y'], 'a\n', `a\n${block}`],
    ['gets an end to its last line before', ['x', 'y'], 'a', `a\n${block}`],
    ['may be empty before', ['x', 'y'], '', block],
    ['has it where it was', ['x', 'y'], 'a\n# BEGIN\nold\n# END\nb\n', `a\n${block}b\n`],
    ['is the same where it has it', ['x', 'y'], `a\n${block}b\n`, `a\n${block}b\n`],
    ['loses it with its marks', [], `a\n${block}b\n`, 'a\nb\n'],
    ['loses it and is as it was before', [], `a\n${block}`, 'a\n'],
    ['loses nothing where it has none', [], 'a\n', 'a\n'],
    ['loses a mark without the other, and nothing else', ['x', 'y'], 'a\n# BEGIN\nb\n', `a\nb\n${block}`],
    ['does not take the marks in the wrong order for a block', ['x', 'y'], '# END\nb\n# BEGIN\n', `b\n${block}`],
    ['keeps to the ends of its lines', ['x'], 'a\r\nb\r\n', 'a\r\nb\r\n# BEGIN\r\nx\r\n# END\r\n'],
  ])('%s', (_, lines, before, after) => {
    expect(withBlock(before, marks, lines)).toBe(after);
    expect(withBlock(after, marks, lines)).toBe(after);
  });
});

describe('a block in a file of a host', () => {
  it('comes, is changed and goes, beside others', async () => {
    writeFileSync(at('f'), 'theirs\n');
    const on = (name: string, ...lines: string[]) => blockInFile({ path: at('f'), name, lines, comment: ';' });
    expect((await look(on('a b', '1', '2')))?.summary).toBe('block a b, 2 lines');
    await apply(on('a b', '1', '2'));
    await apply(on('c', '3'));
    await apply(on('a b', '4'));
    const c = '; BEGIN etcd-play: c\n3\n; END etcd-play: c\n';
    expect(readFileSync(at('f'), 'utf8')).toBe(`theirs\n; BEGIN etcd-play: a b\n4\n; END etcd-play: a b\n${c}`);
    expect(await look(on('c', '3'))).toBeUndefined();
    expect((await look(on('a b')))?.summary).toBe('no block a b');
    await apply(on('a b'));
    expect(readFileSync(at('f'), 'utf8')).toBe(`theirs\n${c}`);
  });

  it.each([
    [{ name: '' }, "cannot be called ''"],
    [{ name: 'a\nb' }, 'cannot be called'],
    [{ lines: ['a\nb'] }, 'a line break within a line'],
    [{ lines: ['# END etcd-play: n'] }, 'holds its own mark'],
    [{ path: 'x' }, 'wants an absolute path'],
  ])('is refused for %j', (wrong, words) => {
    expect(() => blockInFile({ path: '/x', name: 'n', lines: [], ...wrong })).toThrow(words);
  });
});

describe('entries of hosts', () => {
  it('are a block of lines', async () => {
    writeFileSync(at('hosts'), '127.0.0.1 localhost\n');
    const entries = [
      { address: '10.0.0.1', names: ['db1', 'db1.example.com'] },
      { address: 'fd00::1', names: ['db2'] },
    ];
    const resource = hostEntries({ name: 'db', entries, path: at('hosts') });
    await apply(resource);
    expect(readFileSync(at('hosts'), 'utf8')).toBe(
      '127.0.0.1 localhost\n# BEGIN etcd-play: db\n10.0.0.1 db1 db1.example.com\nfd00::1 db2\n# END etcd-play: db\n',
    );
    expect(await look(resource)).toBeUndefined();
    await apply(hostEntries({ name: 'db', entries: [], path: at('hosts') }));
    expect(readFileSync(at('hosts'), 'utf8')).toBe('127.0.0.1 localhost\n');
  });

  it.each([
    [{ address: '10.0.0', names: ['a'] }, "'10.0.0' is no IP address"],
    [{ address: 'db1', names: ['a'] }, "'db1' is no IP address"],
    [{ address: '10.0.0.1', names: [] }, 'has no name'],
    [{ address: '10.0.0.1', names: ['a b'] }, "has no name that a host may have: 'a b'"],
    [{ address: '10.0.0.1', names: ['a\n'] }, 'has no name that a host may have'],
    [{ address: '10.0.0.1', names: ['#a'] }, 'has no name that a host may have'],
  ])('are refused for %j', (entry, words) => {
    expect(() => hostEntries({ name: 'x', entries: [entry] })).toThrow(words);
  });
});
