import { ExitCode, InputError } from '../errors.ts';
import { graphInventory, listHost, listInventory, pythonJson } from '../inventory/listing.ts';
import { loadInventory } from '../inventory/load.ts';
import { type VaultArguments, vaultPasswords } from './vault.ts';

/** What `play inventory` takes. */
export interface InventoryArguments extends VaultArguments {
  inventory: string[];
  extraVars: string[];
  list: boolean;
  host: string | undefined;
  graph: boolean;
  vars: boolean;
  group: string | undefined;
  playbookDir: string | undefined;
}

/** `play inventory --list | --host HOST | --graph [GROUP]`: prints what `ansible-inventory` prints, and no secret. */
export async function showInventory(args: InventoryArguments): Promise<number> {
  if ([args.list, args.host !== undefined, args.graph].filter(Boolean).length !== 1) {
    throw new InputError('one of --list, --host and --graph must be given', {
      next: 'Say, for instance: play inventory -i hosts.ini --graph',
    });
  }
  const inventory = await loadInventory(args.inventory, {
    playbookDir: args.playbookDir,
    extraVars: args.extraVars,
    vaultPasswords: await vaultPasswords(args),
    keepSealed: true,
  });
  for (const { file, line, message } of inventory.warnings) process.stderr.write(`${file}:${line}: ${message}\n`);
  const shown =
    args.host !== undefined
      ? pythonJson(listHost(inventory, args.host))
      : args.list
        ? pythonJson(listInventory(inventory))
        : graphInventory(inventory, args.group ?? 'all', args.vars);
  process.stdout.write(`${shown}\n`);
  return ExitCode.done;
}
