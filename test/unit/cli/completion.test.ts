import { describe, expect, it } from 'vitest';
import { complete, type KnownNames } from '../../../src/cli/completion.ts';

const names: KnownNames = {
  playbooks: () => ['create_etcd', 'site'],
  hosts: (inventories) => (inventories.length > 0 ? ['etcd', 'h1', 'h2'] : ['default']),
  runs: () => ['20261121T102931-1'],
};
const completed = async (line: string) => {
  const found = await complete(line.split(' '), names);
  return typeof found === 'string' ? found : found.join(' ');
};

describe('what may come next on the command line', () => {
  it.each<[string, string]>([
    ['cr', 'create_etcd'],
    ['si', 'site'],
    ['e', 'exec'],
    ['./pl', 'files'],
    ['create_etcd --list-', '--list-hosts --list-tags --list-tasks'],
    ['create_etcd -i ', 'files'],
    ['create_etcd -DCi ', 'files'],
    ['create_etcd --inventory ho', 'files'],
    ['create_etcd -i hosts.ini ', ''],
    ['create_etcd -i hosts.ini -l ', 'etcd h1 h2'],
    ['create_etcd -l h', ''],
    ['create_etcd --limit d', 'default'],
    ['create_etcd --output ', 'auto json lines'],
    ['create_etcd --output j', 'json'],
    ['create_etcd --output=json --ste', '--step'],
    ['create_etcd --host-key-checking a', 'accept-new'],
    ['create_etcd -v --ch', '--check'],
    ['-i hosts.ini cr', 'create_etcd'],
    ['ping -i hosts.ini h', 'h1 h2'],
    ['ping ', 'all default'],
    ['exec all --bec', '--become'],
    ['exec all -- ls --he', 'files'],
    ['create_etcd --becom', ''],
    ['inventory --gr', '--graph'],
    ['inventory -i hosts.ini --host h1', 'h1'],
    ['runs s', 'show'],
    ['runs show 2026', '20261121T102931-1'],
    ['completion ', 'bash zsh'],
    ['list --out', '--output'],
  ])('%s', async (line, wanted) => {
    expect(await completed(line)).toBe(wanted);
  });
});
