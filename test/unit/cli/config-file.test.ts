import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfigFile } from '../../../src/cli/config-file.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cfg-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string) {
  const file = join(folder, 'play.cfg');
  writeFileSync(file, text);
  return readConfigFile(file);
}

describe('play.cfg', () => {
  it('gives defaults for the command line, with paths that start at the file', () => {
    const text = '# mine\n[defaults]\ninventory = hosts.ini, conf/etcd.conf\ndiff = yes\nskip_tags = slow\n; end\n';
    expect(read(text)).toEqual({
      inventory: [join(folder, 'hosts.ini'), join(folder, 'conf/etcd.conf')],
      diff: true,
      'skip-tags': 'slow',
    });
  });

  it.each<[string, unknown]>([
    ['diff = off', { diff: false }],
    ['verbose = 2', { verbose: 2 }],
    ['forks=5', { forks: 5 }],
    ['user = deploy', { user: 'deploy' }],
    ['private_key = ~/.ssh/id', { 'private-key': join(homedir(), '.ssh/id') }],
    ['host-key-checking = accept-new', { 'host-key-checking': 'accept-new' }],
    ['output = lines', { output: 'lines' }],
  ])('knows %s', (line, wanted) => {
    expect(read(`[defaults]\n${line}\n`)).toEqual(wanted);
  });

  it('that cannot be read is named', () => {
    expect(() => readConfigFile(folder)).toThrow('the defaults cannot be read');
    expect(read('[defaults]\ninventory =\n')).toEqual({ inventory: [] });
  });

  it.each([
    ['[defaults]\nforkz = 5\n', 2, 'sets nothing that is known'],
    ['inventory = x\n', 1, 'no section'],
    ['[defaults]\njust words\n', 2, 'sets nothing'],
    ['[defaults]\ndiff = perhaps\n', 2, "diff is 'perhaps'"],
    ['[defaults]\n\nforks = many\n', 3, "forks is 'many'"],
    ['[defaults]\noutput = xml\n', 2, "output is 'xml'"],
  ])('refuses %j, with file and line', (text, line, words) => {
    expect(() => read(text)).toThrow(words);
    try {
      read(text);
    } catch (error) {
      expect(error).toMatchObject({ file: join(folder, 'play.cfg'), line });
    }
  });
});
