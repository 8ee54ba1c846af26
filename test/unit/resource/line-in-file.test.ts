import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type LineWish, lineInFile, withLine } from '../../../src/resource/line-in-file.ts';
import { found, onThisMachine, state } from './on-this-machine.ts';

const { at, look, apply, run } = onThisMachine();
const line = 'Port 22';

describe('a text with a line as it is wanted', () => {
  it.each<[string, LineWish, string, string, string]>([
    ['is the same where it has it', { line }, 'a\nPort 22\n', 'a\nPort 22\n', '1 line replaced'],
    ['gets it at its end', { line }, 'a\n', 'a\nPort 22\n', '1 line new'],
    ['gets it as its first', { line }, '', 'Port 22\n', '1 line new'],
    ['gets an end to its last line before', { line }, 'a', 'a\nPort 22\n', '1 line new'],
    [
      'has it in the place of the last that matches',
      { line, match: /^Port/ },
      'Port 1\nPort 2\nb',
      'Port 1\nPort 22\nb',
      '1 line replaced',
    ],
    ['has it in place of one without an end', { line, match: /^Port/ }, 'a\nPort 1', 'a\nPort 22', '1 line replaced'],
    [
      'is the same where the match fails and the line is there',
      { line, match: /^#Port/ },
      'Port 22\n',
      'Port 22\n',
      '',
    ],
    ['gets it after the last that matches', { line, after: /^a/ }, 'a1\na2\nb\n', 'a1\na2\nPort 22\nb\n', '1 line new'],
    ['gets it at the end where none matches', { line, after: /^z/ }, 'a\nb\n', 'a\nb\nPort 22\n', '1 line new'],
    [
      'gets it before the first that matches',
      { line, before: /^Match/ },
      'a\nMatch 1\nMatch 2\n',
      'a\nPort 22\nMatch 1\nMatch 2\n',
      '1 line new',
    ],
    ['gets it before the very first', { line, before: /^a/ }, 'a\nb\n', 'Port 22\na\nb\n', '1 line new'],
    ['gets it at its beginning', { line, before: 'beginning' }, 'a\n', 'Port 22\na\n', '1 line new'],
    ['keeps to the ends of its lines', { line }, 'a\r\nb\r\n', 'a\r\nb\r\nPort 22\r\n', '1 line new'],
    [
      'keeps the end of the line that is replaced',
      { line, match: /Port/ },
      'Port 1\r\nb\r\n',
      'Port 22\r\nb\r\n',
      '1 line replaced',
    ],
    [
      'is matched without the ends of its lines',
      { line, match: /^Port 1$/ },
      'Port 1\r\n',
      'Port 22\r\n',
      '1 line replaced',
    ],
    [
      'is matched line by line, whatever the flags',
      { line, match: /^Port/g },
      'Port 1\nPort 2\n',
      'Port 1\nPort 22\n',
      '1 line replaced',
    ],
    ['loses it', { line, present: false }, 'a\nPort 22\nb\nPort 22', 'a\nb\n', '2 lines removed'],
    ['loses all that match', { match: /^Port/, present: false }, 'Port 1\na\nPort 2\n', 'a\n', '2 lines removed'],
    ['loses nothing where none matches', { match: /^x/, present: false }, 'a\n', 'a\n', '0 lines removed'],
    [
      'takes signs in a new line as they are',
      { line: '$& $1 \\1', match: /^a/ },
      'a\n',
      '$& $1 \\1\n',
      '1 line replaced',
    ],
  ])('%s', (_, wish, before, after, summary) => {
    expect(withLine(before, wish)).toEqual({ text: after, summary });
    // Said twice is said once.
    expect(withLine(after, wish).text).toBe(after);
  });
});

describe('a line in a file of a host', () => {
  const on = (name: string, rest: Partial<Parameters<typeof lineInFile>[0]> = {}) =>
    lineInFile({ path: at(name), line, ...rest });

  it('comes, and leaves everything else as it was: bytes, owner, mode, link', async () => {
    const bytes = Buffer.from([0x61, 0xff, 0xfe, 0x0a, 0x62]);
    writeFileSync(at('latin'), bytes);
    await run(`chown daemon:adm ${at('latin')}; chmod 2604 ${at('latin')}`);
    symlinkSync('latin', at('link'));
    expect((await look(on('link')))?.summary).toBe('1 line new');
    expect((await apply(on('link')))?.code).toBe(0);
    expect(readFileSync(at('latin')).equals(Buffer.concat([bytes, Buffer.from('\nPort 22\n')]))).toBe(true);
    expect(statSync(at('latin'))).toMatchObject({ uid: 1, gid: 4 });
    expect(statSync(at('latin')).mode & 0o7777).toBe(0o2604);
    expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
    expect(await look(on('link'))).toBeUndefined();
  });

  it('shows what is changed, but not where the file is a secret', async () => {
    writeFileSync(at('shown'), 'a\n');
    expect((await look(on('shown')))?.diff).toEqual({ path: at('shown'), after: 'a\nPort 22\n' });
    expect((await look(on('shown', { secret: true })))?.diff).toBeUndefined();
  });

  it('is not put into a file that someone has changed meanwhile', async () => {
    writeFileSync(at('raced'), 'a\n');
    const change = await look(on('raced'));
    writeFileSync(at('raced'), 'theirs\n');
    const { code, stderr } = await run(`set -e\n${change!.apply}`);
    expect(code).toBe(1);
    expect(stderr).toBe('it was changed since it was looked at: run again\n');
    expect(readFileSync(at('raced'), 'utf8')).toBe('theirs\n');
  });

  it('makes the file only where it is told with which mode', async () => {
    await expect(look(on('none'))).rejects.toThrow('is not there, and is not to be made');
    expect(await look(on('none', { present: false }))).toBeUndefined();
    const making = on('none', { create: { mode: 0o600, owner: 'daemon' } });
    expect((await look(making))?.summary).toBe('new file, 1 line new');
    await apply(making);
    expect(readFileSync(at('none'), 'utf8')).toBe('Port 22\n');
    expect(statSync(at('none'))).toMatchObject({ uid: 1 });
    expect(await look(making)).toBeUndefined();
  });

  it('cannot be told where a directory stands, or the text is too long', () => {
    const resource = lineInFile({ path: '/x', line });
    expect(() => resource.compare(found({ '/x': state('directory') }))).toThrow('is there but is no file');
    expect(() => resource.compare({ ...found({ '/x': state('file') }), code: 1 })).toThrow('larger than 4 MiB');
  });

  it.each([
    [{ line: 'a\nb' }, 'it has a line break in it'],
    [{ line: 'a\rb' }, 'it has a line break in it'],
    [{}, 'needs its text'],
    [{ match: /x/ }, 'needs its text'],
    [{ line, path: 'x' }, 'wants an absolute path'],
    [{ line, validate: 'true' }, 'has no %s'],
  ])('is refused for %j', (wish, words) => {
    expect(() => lineInFile({ path: '/x', ...wish })).toThrow(words);
  });
});

it('a pipe in the place of a file is refused, and not waited for', async () => {
  await run(`mkfifo ${at('a-pipe')}`);
  await expect(look(lineInFile({ path: at('a-pipe'), line }))).rejects.toThrow('is there but is no file (other)');
}, 5000);
