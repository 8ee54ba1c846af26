import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  judgeHostKey,
  keyTypeOf,
  knownHostName,
  knownKeyTypes,
  parseKnownHosts,
} from '../../../src/connection/known-hosts.ts';

let folder: string;
/** Public keys as ssh-keygen makes them: `type base64`. */
const keys: Record<'ed25519' | 'ecdsa' | 'rsa' | 'other', string> = { ed25519: '', ecdsa: '', rsa: '', other: '' };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'known-hosts-'));
  for (const name of Object.keys(keys) as (keyof typeof keys)[]) {
    const type = name === 'other' ? 'ed25519' : name;
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', join(folder, name)]);
    keys[name] = readFileSync(join(folder, `${name}.pub`), 'utf8').trim();
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const blob = (name: keyof typeof keys) => Buffer.from(keys[name].split(' ')[1]!, 'base64');
/** How a file judges a host's key; `$ed25519` and so on stand for the keys. */
function judge(text: string, name: string, key: keyof typeof keys = 'ed25519'): string {
  const filled = text.replace(/\$(\w+)/g, (_, known: keyof typeof keys) => keys[known]);
  const verdict = judgeHostKey(parseKnownHosts(filled, 'kh'), name, blob(key));
  return 'entry' in verdict ? `${verdict.known} ${verdict.entry.file}:${verdict.entry.line}` : verdict.known;
}

describe('a host key', () => {
  it.each([
    ['is known by its name', 'web1 $ed25519', 'web1', 'yes'],
    ['is not known of another host', 'web1 $ed25519', 'web2', 'no'],
    ['is not known where the file is empty', '', 'web1', 'no'],
    ['is known by one name of several', 'a,web1,10.0.0.1 $ed25519', '10.0.0.1', 'yes'],
    ['is known whatever the letters of the name are', 'Web1 $ed25519', 'web1', 'yes'],
    ['is known with a comment behind it', 'web1 $ed25519 root@web1', 'web1', 'yes'],
    ['is known with blanks and tabs around', '  web1\t $ed25519\r', 'web1', 'yes'],
    ['is not known by a line that is a comment', '# web1 $ed25519', 'web1', 'no'],
    ['is not known by a part of a name', 'web10 $ed25519', 'web1', 'no'],
    ['is not known by a dot that would be any letter', 'web.1 $ed25519', 'webx1', 'no'],
    ['is known by a pattern', '*.example.com $ed25519', 'a.example.com', 'yes'],
    ['is known by a pattern of one letter', 'web? $ed25519', 'web1', 'yes'],
    ['is not known by a pattern of one letter for two', 'web? $ed25519', 'web12', 'no'],
    ['is not known where a pattern is negated', '*.example.com,!b.example.com $ed25519', 'b.example.com', 'no'],
    [
      'is not known where the negated pattern stands first',
      '!b.example.com,*.example.com $ed25519',
      'b.example.com',
      'no',
    ],
    ['is not known by a negated pattern alone', '!b $ed25519', 'a', 'no'],
    ['is known on a port of its own', '[web1]:2222 $ed25519', '[web1]:2222', 'yes'],
    ['is not known on another port', '[web1]:2222 $ed25519', '[web1]:2223', 'no'],
    ['is not known on a port by its bare name', 'web1 $ed25519', '[web1]:2222', 'no'],
    ['is known by a pattern with a port', '[*.example.com]:2222 $ed25519', '[a.example.com]:2222', 'yes'],
    ['is known by an IPv6 address', 'fd00::1 $ed25519', 'fd00::1', 'yes'],
    ['has changed where another of its type is on file', 'web1 $other', 'web1', 'changed kh:1'],
    ['has changed where one of another type is on file', '\n\nweb1 $rsa', 'web1', 'changed kh:3'],
    ['has changed: the line with its own type is named', 'web1 $rsa\nweb1 $other', 'web1', 'changed kh:2'],
    ['is known where any of several lines holds it', 'web1 $other\nweb1 $ed25519', 'web1', 'yes'],
    ['is revoked, though another line would let it in', 'web1 $ed25519\n@revoked * $ed25519', 'web1', 'revoked kh:2'],
    ['is not revoked by another key that is', '@revoked * $other\nweb1 $ed25519', 'web1', 'yes'],
    ['is not known by the key of an authority', '@cert-authority * $ed25519', 'web1', 'no'],
    ['is not known by a marker that nobody knows', '@what web1 $ed25519', 'web1', 'no'],
    ['is not known by a line cut short', 'web1 ssh-ed25519', 'web1', 'no'],
  ])('%s', (_, text, name, verdict) => {
    expect(judge(text, name)).toBe(verdict);
  });

  it.each([
    ['web1', 'web1', 'web2'],
    ['10.0.0.1', '10.0.0.1', '10.0.0.10'],
    ['[web1]:2222', '[web1]:2222', 'web1'],
  ])('is known by the name %s as ssh-keygen hashes it', (written, name, another) => {
    const file = join(folder, `hashed-${name.replace(/\W/g, '')}`);
    writeFileSync(file, `${written} ${keys.ed25519}\n`);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(/^\|1\|/);
    expect([judge(text, name), judge(text, another), judge(text, name, 'other')]).toEqual([
      'yes',
      'no',
      'changed kh:1',
    ]);
    // The witness finds it too.
    expect(execFileSync('ssh-keygen', ['-F', name, '-f', file]).toString()).toContain(keys.ed25519);
  });

  it.each(['|1|', '|1||', '|1|abc', '|2|abc|def', '|1|!!|??'])('is not known by the broken hash %s', (names) => {
    expect(judge(`${names} $ed25519`, 'web1')).toBe('no');
  });
});

describe('the types on file', () => {
  it('are those of the host, each once, markers left out', () => {
    const text = `web1 ${keys.rsa}\n* ${keys.ed25519}\nweb1 ${keys.other}\nweb2 ${keys.ecdsa}\n@revoked web1 ${keys.ecdsa}`;
    expect(knownKeyTypes(parseKnownHosts(text, 'kh'), 'web1')).toEqual(['ssh-rsa', 'ssh-ed25519']);
  });

  it('are read from the keys themselves', () => {
    expect((['ed25519', 'ecdsa', 'rsa'] as const).map((name) => keyTypeOf(blob(name)))).toEqual([
      'ssh-ed25519',
      'ecdsa-sha2-nistp256',
      'ssh-rsa',
    ]);
    expect([keyTypeOf(Buffer.alloc(0)), keyTypeOf(Buffer.alloc(3))]).toEqual(['', '']);
  });
});

describe('the name of a host in known_hosts', () => {
  it.each([
    ['Web1', 22, 'web1'],
    ['web1', 2222, '[web1]:2222'],
    ['FD00::1', 22, 'fd00::1'],
    ['fd00::1', 2222, '[fd00::1]:2222'],
  ])('of %s on port %i is %s', (host, port, name) => {
    expect(knownHostName(host, port)).toBe(name);
  });
});
