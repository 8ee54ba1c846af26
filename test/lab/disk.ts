import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { command } from './command.ts';
import { hostDir, type LabRecord, labDir } from './state.ts';
import { users } from './users.ts';

const hostKeyTypes = ['ed25519', 'ecdsa'] as const;

/**
 * Makes the disk of a host that has none: the upper layer of its overlay, with what is its own — name, neighbours, SSH host
 * keys, and who may log in. Complete or not there at all: the mark that says so is written last.
 */
export async function ensureDisk(lab: LabRecord, host: string): Promise<void> {
  const folder = hostDir(lab.name, host);
  const complete = join(folder, 'disk-complete');
  if ((await readFile(complete, 'utf8').catch(() => undefined)) !== undefined) return;
  await wipeDisk(lab, host);
  const disk = join(folder, 'disk');
  for (const path of ['', 'etc', 'etc/ssh', 'home']) await folderOf(join(disk, path), 0, 0o755);
  await mkdir(join(folder, 'work'), { recursive: true });
  await writeFile(join(disk, 'etc/hostname'), `${host}\n`);
  await writeFile(join(disk, 'etc/hosts'), hostsFile(lab));
  await Promise.all(hostKeyTypes.map((type) => hostKey(disk, host, type)));
  const key = await readFile(join(labDir(lab.name), 'key.pub'), 'utf8');
  for (const { uid, home } of Object.values(users)) {
    await folderOf(join(disk, home), uid, uid === 0 ? 0o700 : 0o755);
    await folderOf(join(disk, home, '.ssh'), uid, 0o700);
    const file = join(disk, home, '.ssh/authorized_keys');
    await writeFile(file, key, { mode: 0o600 });
    await chown(file, uid, uid);
  }
  await writeFile(complete, '');
}

/** Throws the disk away; the next boot makes a new one. The host must be off. */
export async function wipeDisk(lab: LabRecord, host: string): Promise<void> {
  const folder = hostDir(lab.name, host);
  await mkdir(folder, { recursive: true });
  await rm(join(folder, 'disk-complete'), { force: true });
  await command('rm', ['-rf', '--one-file-system', join(folder, 'disk'), join(folder, 'work')]);
}

/** Lines of a known_hosts file for one host: by its address and by its name. */
export async function knownHostLines(lab: LabRecord, host: string, address: string): Promise<string[]> {
  const keys = hostKeyTypes.map((type) => publicKeyFile(join(hostDir(lab.name, host), 'disk'), type));
  const texts = await Promise.all(keys.map((file) => readFile(file, 'utf8').catch(() => '')));
  return texts.filter(Boolean).map((text) => `${address},${host} ${text.split(' ').slice(0, 2).join(' ').trim()}`);
}

/** A host's /etc/hosts: itself and all its neighbours. */
export function hostsFile(lab: LabRecord): string {
  const lines = ['127.0.0.1 localhost', '::1 localhost ip6-localhost ip6-loopback'];
  return `${[...lines, ...lab.hosts.map((h) => `${h.address} ${h.name}`)].join('\n')}\n`;
}

async function hostKey(disk: string, host: string, type: string): Promise<void> {
  const file = publicKeyFile(disk, type).replace(/\.pub$/, '');
  await command('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', `root@${host}`, '-f', file]);
}

function publicKeyFile(disk: string, type: string): string {
  return join(disk, `etc/ssh/ssh_host_${type}_key.pub`);
}

/** An upper layer's folder replaces the owner and the mode of the one below it, so both are set. */
async function folderOf(path: string, uid: number, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await mkdir(path, { recursive: true });
  await chmod(path, mode);
  await chown(path, uid, uid);
}
