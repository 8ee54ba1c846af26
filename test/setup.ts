import { ensurePackages } from './lab/packages.ts';

/**
 * Installs, by package name, the programs that tests take as witnesses: openssl for certificates, ansible-inventory for
 * inventories, openssh-client for known_hosts. The lab installs what it needs itself.
 */
export async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new Error('The tests boot real hosts and need root on a Debian machine: run npm test as root.');
  }
  await ensurePackages(['openssl', 'openssh-client', 'ansible-core']);
}
