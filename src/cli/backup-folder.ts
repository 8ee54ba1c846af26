import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type EtcdSettings, readClusterSettings } from '../etcd/variables.ts';
import { loadInventory } from '../inventory/load.ts';
import { type VaultArguments, vaultPasswords } from './vault.ts';

/** Where the backups of an inventory's cluster lie, as backup_etcd has it, and the cluster's settings. */
export async function backupFolderOf(
  args: VaultArguments & { inventory: readonly string[]; extraVars: readonly string[] },
): Promise<{ folder: string; settings: EtcdSettings | undefined }> {
  const inventory = await loadInventory(args.inventory, {
    extraVars: args.extraVars,
    vaultPasswords: await vaultPasswords(args),
    keepSealed: true,
  });
  const inventoryDir = directoryOf(args.inventory[0]!);
  const hosts = inventory.hostsOf('etcd').map((host) => ({ host, vars: inventory.varsOf(host).values() }));
  const settings = [...readClusterSettings(hosts, inventoryDir).values()][0];
  return { folder: settings?.localBackupDir ?? join(inventoryDir, 'backups'), settings };
}

function directoryOf(source: string): string {
  const path = resolve(source);
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);
}
