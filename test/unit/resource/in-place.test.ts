import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { file } from '../../../src/resource/file.ts';
import { lineInFile } from '../../../src/resource/line-in-file.ts';
import { onThisMachine } from './on-this-machine.ts';

const { at, look, apply } = onThisMachine();
const place = (name: string, content?: string) => {
  mkdirSync(at(name));
  if (content !== undefined) writeFileSync(at(`${name}/f`), content);
  return at(`${name}/f`);
};

describe('a file that is checked before it takes its place', () => {
  it('takes it where the check is content', async () => {
    const path = place('content', 'old');
    const answer = await apply(file({ path, content: 'good\n', mode: 0o644, validate: 'grep -q good %s' }));
    expect(answer).toEqual({ code: 0, output: '' });
    expect(readFileSync(path, 'utf8')).toBe('good\n');
  });

  it('does not where it is not, and nothing is left beside it', async () => {
    const path = place('refused', 'old');
    const resource = file({
      path,
      content: 'bad\n',
      mode: 0o644,
      backup: true,
      validate: 'cat %s; echo line 1 is bad; false',
    });
    const { code, output } = (await apply(resource))!;
    expect(code).toBe(1);
    expect(output).toMatch(/^bad\nline 1 is bad\nwhat checks it refuses it, and it was not put in place: cat %s/);
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect(readdirSync(at('refused'))).toEqual(['f']);
    expect(await look(resource)).toBeDefined();
  });

  it('may have any name', async () => {
    mkdirSync(at("it's $(here)"));
    const path = at("it's $(here)/a b");
    expect((await apply(file({ path, content: 'x', mode: 0o644, validate: '[ "$(cat %s)" = x ]' })))?.code).toBe(0);
  });

  it('needs to be named to its check', () => {
    expect(() => file({ path: '/x', content: '', mode: 0o644, validate: 'visudo -c' })).toThrow('has no %s');
  });
});

describe('what was there before', () => {
  it('is kept beside it on request, once for changes within a second', async () => {
    const path = place('backup', 'first\n');
    await apply(file({ path, content: 'second\n', mode: 0o644, backup: true }));
    await apply(lineInFile({ path, line: 'third', backup: true }));
    expect(readFileSync(path, 'utf8')).toBe('second\nthird\n');
    const [copy, ...more] = readdirSync(at('backup')).filter((name) => name !== 'f');
    expect(copy).toMatch(/^f\.\d{8}T\d{6}Z~$/);
    expect(readFileSync(at(`backup/${copy}`), 'utf8')).toBe('first\n');
    // The clock may have moved on between the two.
    for (const one of more) expect(readFileSync(at(`backup/${one}`), 'utf8')).toBe('second\n');
  });

  it('is nothing where there was no file', async () => {
    const path = place('none');
    await apply(file({ path, content: 'x', mode: 0o644, backup: true }));
    expect(readdirSync(at('none'))).toEqual(['f']);
  });

  it('is found at the end of a link where a text is edited', async () => {
    const path = place('linked', 'one\n');
    symlinkSync(path, at('linked/link'));
    await apply(lineInFile({ path: at('linked/link'), line: 'two', backup: true, validate: 'grep -q two %s' }));
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
    expect(readdirSync(at('linked')).filter((name) => name.endsWith('~'))).toEqual([
      expect.stringMatching(/^f\..*Z~$/),
    ]);
  });
});
