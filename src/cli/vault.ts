import { Secret } from '../secret.ts';

export interface VaultArguments {
  vaultPasswordFile: string[];
  askVaultPass: boolean;
}

/** Passwords of vaults, from files and scripts in their order, then from the terminal. */
export async function vaultPasswords({ vaultPasswordFile, askVaultPass }: VaultArguments): Promise<Secret[]> {
  const passwords: Secret[] = [];
  if (vaultPasswordFile.length > 0) {
    const { readVaultPassword } = await import('../inventory/vault-password.ts');
    passwords.push(...vaultPasswordFile.map(readVaultPassword));
  }
  if (askVaultPass) {
    const { askSecret } = await import('./prompt.ts');
    passwords.push(
      new Secret((await askSecret('Vault password: ', 'Name a file or a script: --vault-password-file FILE')).trim()),
    );
  }
  return passwords;
}
