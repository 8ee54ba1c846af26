import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type DesiredFile, diffFile, file, sha256 } from '../../../src/resource/file.ts';
import type { PathState } from '../../../src/resource/path-state.ts';
import { ProbeError } from '../../../src/resource/resource.ts';
import { Secret } from '../../../src/secret.ts';
import { onThisMachine, state } from './on-this-machine.ts';

const { at, look, apply, run } = onThisMachine();

const wish: DesiredFile = {
  path: '/etc/x.conf',
  content: 'wanted\n',
  owner: 'root',
  group: 'root',
  mode: 0o644,
  secret: false,
};
const same = sha256('wanted\n');

describe('the difference of a file', () => {
  it.each<[string, PathState, string | undefined, string | undefined]>([
    ['is nothing where content, owner and mode are as wanted', state('file'), same, undefined],
    ['is a new file where there is none', state('absent'), undefined, 'new file'],
    ['is the content where the sum differs', state('file'), sha256('other'), 'content'],
    ['is the content where the file cannot be read', state('file'), undefined, 'content'],
    ['is the mode alone where the content is as wanted', state('file', { mode: 0o600 }), same, 'mode 0600 → 0644'],
    [
      'names owner and group where both differ',
      state('file', { owner: 'etcd', group: 'daemon' }),
      same,
      'owner etcd → root, group daemon → root',
    ],
    ['is the content where content and mode differ', state('file', { mode: 0o600 }), sha256(''), 'content'],
    ['is a file where a link stands, whatever it leads to', state('link'), same, 'a file, not a link'],
  ])('%s', (_, actual, sum, summary) => {
    expect(diffFile(actual, sum, wish)?.summary).toBe(summary);
  });

  it.each(['directory', 'other'] as const)('cannot be told where a %s stands: that is left alone', (type) => {
    expect(() => diffFile(state(type), undefined, wish)).toThrow(ProbeError);
  });

  it('holds the new text, but never that of a secret', () => {
    expect(diffFile(state('absent'), undefined, wish)?.diff).toEqual({ path: '/etc/x.conf', after: 'wanted\n' });
    expect(diffFile(state('absent'), undefined, { ...wish, secret: true })?.diff).toBeUndefined();
  });

  it('is not shown where the content is a secret', async () => {
    const secret = file({ path: at('secret'), content: new Secret('hunter2\n'), mode: 0o600 });
    expect(await look(secret)).not.toHaveProperty('diff');
    await apply(secret);
    expect(readFileSync(at('secret'), 'utf8')).toBe('hunter2\n');
  });

  it('runs what is to be done afterwards only when the content is new', () => {
    const restarting = { ...wish, afterwards: 'systemctl daemon-reload' };
    expect(diffFile(state('absent'), undefined, restarting)?.apply).toMatch(/systemctl daemon-reload$/);
    expect(diffFile(state('file', { mode: 0 }), same, restarting)?.apply).not.toContain('systemctl');
  });
});

describe('a file on a host', () => {
  it.each([
    ['plain text', 'a\nb\n'],
    ['nothing at all', ''],
    ['one newline', '\n'],
    ['no newline at its end', 'a\nb'],
    ['several newlines at its end', 'a\n\n\n'],
    ['single quotes', "it's 'quoted' ''"],
    ['double quotes and backslashes', '"a" \\"b\\" \\\\ \\n \\'],
    ['what a shell would run', '$(touch /tmp/owned) `id` ${HOME} $((1+1)) ; & | > < * ? ~ !!'],
    ['what printf would read', '%s %d %% %n \\x41 -n -e'],
    ['a beginning that looks like an option', '--version'],
    ['carriage returns and tabs', 'a\r\n\tb\r\n'],
    ['letters of many scripts', 'žluťoučký 漢字 🦀 \u00a0\u2028'],
    ['a here-document of its own', "cat <<'EOF'\nx\nEOF\n"],
    ['a hundred kilobytes', 'line of text\n'.repeat(8_000)],
  ])('holds %s exactly, and a second look finds nothing to do', async (name, content) => {
    const path = at(`content of ${name}`);
    const resource = file({ path, content, mode: 0o640 });
    expect((await apply(resource))?.code).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(content);
    expect(statSync(path).mode & 0o7777).toBe(0o640);
    expect(await look(resource)).toBeUndefined();
  });

  it.each(["it's", 'with space', '$(id)', '-n', 'žluť', 'a"b', 'back\\slash', 'star*'])(
    'may be called %s',
    async (name) => {
      mkdirSync(at('names'), { recursive: true });
      const resource = file({ path: at(`names/${name}`), content: 'x', mode: 0o600 });
      expect((await apply(resource))?.code).toBe(0);
      expect(readFileSync(at(`names/${name}`), 'utf8')).toBe('x');
      expect(await look(resource)).toBeUndefined();
    },
  );

  it('gets owner, group and mode put right without being written anew', async () => {
    const resource = file({ path: at('owned'), content: 'x', owner: 'daemon', mode: 0o640 });
    await apply(resource);
    await run(`chown root:root ${at('owned')}; chmod 666 ${at('owned')}`);
    utimesSync(at('owned'), 1, 1);
    expect((await look(resource))?.summary).toBe('owner root → daemon, group root → daemon, mode 0666 → 0640');
    await apply(resource);
    expect(await look(resource)).toBeUndefined();
    expect(statSync(at('owned')).mtimeMs).toBe(1_000);
  });

  it('replaces what an interrupted run left beside it, and leaves nothing beside itself', async () => {
    mkdirSync(at('leftover'));
    writeFileSync(at('leftover/.f.etcd-play-new'), 'half', { mode: 0o666 });
    await apply(file({ path: at('leftover/f'), content: 'whole', mode: 0o644 }));
    expect(readdirSync(at('leftover'))).toEqual(['f']);
    expect(readFileSync(at('leftover/f'), 'utf8')).toBe('whole');
  });

  it('does not write through a link that someone laid in the place of its temporary name', async () => {
    mkdirSync(at('trap'));
    writeFileSync(at('trap/victim'), 'untouched');
    symlinkSync(at('trap/victim'), at('trap/.f.etcd-play-new'));
    await apply(file({ path: at('trap/f'), content: 'secret', mode: 0o600, secret: true }));
    expect(readFileSync(at('trap/victim'), 'utf8')).toBe('untouched');
    expect(lstatSync(at('trap/f')).isFile()).toBe(true);
  });

  it('takes the place of a link, and what the link led to stays as it was', async () => {
    mkdirSync(at('linked'));
    writeFileSync(at('linked/real'), 'other');
    symlinkSync('real', at('linked/f'));
    const resource = file({ path: at('linked/f'), content: 'own', mode: 0o644 });
    await apply(resource);
    expect(lstatSync(at('linked/f')).isFile()).toBe(true);
    expect(readFileSync(at('linked/real'), 'utf8')).toBe('other');
    expect(await look(resource)).toBeUndefined();
  });

  it('takes the place of a link that leads nowhere', async () => {
    symlinkSync('nowhere', at('dangling'));
    const resource = file({ path: at('dangling'), content: 'x', mode: 0o644 });
    expect((await apply(resource))?.code).toBe(0);
    expect(await look(resource)).toBeUndefined();
  });

  it('is left as it was, and nothing beside it, when its directory cannot take it', async () => {
    const answer = await apply(file({ path: at('missing/f'), content: 'x', mode: 0o644 }));
    expect(answer?.code).not.toBe(0);
    expect(answer?.output).toMatch(/cannot create|nonexistent|No such file/);
  });

  it('is not changed when its owner is not a user of the host', async () => {
    mkdirSync(at('nobody-there'));
    writeFileSync(at('nobody-there/f'), 'before');
    const answer = await apply(
      file({ path: at('nobody-there/f'), content: 'x', owner: 'no-such-user', group: 'root', mode: 0o644 }),
    );
    expect(answer?.code).not.toBe(0);
    expect(readFileSync(at('nobody-there/f'), 'utf8')).toBe('before');
    expect(readdirSync(at('nobody-there'))).toEqual(['f']);
  });

  it('is never readable by others while it is written', async () => {
    mkdirSync(at('closed'));
    const change = await look(file({ path: at('closed/key'), content: 'x', mode: 0o600, secret: true }));
    // Everything up to the change of mode: what a run would leave that is cut off there.
    const cut = change!.apply.split('\n').filter((line) => !/^(chown|chmod|sync|mv|trap)/.test(line));
    await run(cut.join('\n'));
    expect(statSync(at('closed/.key.etcd-play-new')).mode & 0o077).toBe(0);
  });
});

describe('a file in a place where someone else had one', () => {
  const own = 'written by us';

  it('keeps a copy of the other, with its owner and mode, and keeps it once only', async () => {
    mkdirSync(at('foreign'));
    writeFileSync(at('foreign/f'), 'by hand');
    chmodSync(at('foreign/f'), 0o604);
    await apply(file({ path: at('foreign/f'), content: `# ${own}\n1`, mode: 0o644, keepForeign: own }));
    expect(readFileSync(at('foreign/f.before-etcd-play'), 'utf8')).toBe('by hand');
    expect(statSync(at('foreign/f.before-etcd-play')).mode & 0o777).toBe(0o604);
    writeFileSync(at('foreign/f'), 'by hand again');
    await apply(file({ path: at('foreign/f'), content: `# ${own}\n2`, mode: 0o644, keepForeign: own }));
    expect(readFileSync(at('foreign/f.before-etcd-play'), 'utf8')).toBe('by hand');
  });

  it('keeps no copy of one that holds our words, nor where there was none', async () => {
    mkdirSync(at('own'));
    await apply(file({ path: at('own/f'), content: `# ${own}\n1`, mode: 0o644, keepForeign: own }));
    await apply(file({ path: at('own/f'), content: `# ${own}\n2`, mode: 0o644, keepForeign: own }));
    expect(readdirSync(at('own'))).toEqual(['f']);
  });

  it('may know its own words by characters that mean something to a shell', async () => {
    mkdirSync(at('own-words'));
    const words = `*?["it's"]$x`;
    writeFileSync(at('own-words/f'), `before ${words} after`);
    await apply(file({ path: at('own-words/f'), content: words, mode: 0o644, keepForeign: words }));
    expect(readdirSync(at('own-words'))).toEqual(['f']);
  });
});
