import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readClusterSettings } from '../../../src/etcd/variables.ts';
import { loadInventory } from '../../../src/inventory/load.ts';

const dir = fileURLToPath(new URL('../../../inventory', import.meta.url));

describe('the sample inventory', () => {
  it.each([
    ['hosts.ini alone', ['hosts.ini']],
    ['hosts.ini with etcd.conf', ['hosts.ini', 'etcd.conf']],
  ])('works as it stands: %s', async (_, names) => {
    const inventory = await loadInventory(names.map((name) => `${dir}/${name}`));
    const hosts = inventory.hostsOf('etcd').map((host) => ({ host, vars: inventory.varsOf(host).values() }));
    const warnings: unknown[] = [];
    const settings = [...readClusterSettings(hosts, dir, (w) => warnings.push(w)).values()];
    expect(settings.map((s) => s.advertisePeerUrl)).toEqual([11, 12, 13].map((n) => `https://192.0.2.${n}:2380`));
    expect(settings[0]?.certLocalDir).toBe(`${dir}/pki`);
    expect([...warnings, ...inventory.warnings]).toEqual([]);
  });
});
