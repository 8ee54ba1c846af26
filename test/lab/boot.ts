import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { command } from './command.ts';
import { ensureDisk, knownHostLines } from './disk.ts';
import { bootHost, leaderOf } from './host.ts';
import { LabError } from './lab-error.ts';
import { introduce } from './neighbours.ts';
import { ensureBlackhole, ensureBridge } from './network.ts';
import { ensurePackages } from './packages.ts';
import { ensureRoot } from './rootfs.ts';
import { keyFileOf, knownHostsOf, untilReady } from './ssh.ts';
import { type HostRecord, type LabRecord, labDir, newHost, writeLab } from './state.ts';
import { defaultSuite, type Suite } from './suite.ts';

const bootTimeoutMs = 60_000;

/** What a host shall be; no suite means: as it is, or the default when it is new. */
export interface WantedHost {
  name: string;
  suite: Suite | undefined;
  /** A unit that its boot does not wait for. */
  apartFrom?: string | undefined;
}

/** What the machine must have before a lab can be on it. Changes nothing that is there already. */
export async function prepareMachine(): Promise<void> {
  if (process.getuid?.() !== 0) {
    throw new LabError('the lab boots containers and makes networks, which only root may', { next: 'run it as root' });
  }
  await ensurePackages(['systemd-container', 'mmdebstrap', 'openssh-client', 'iproute2', 'debian-archive-keyring']);
  await ensureBlackhole();
  // Every systemd takes some; the kernel's default of 128 is used up by about twenty hosts.
  const instances = '/proc/sys/fs/inotify/max_user_instances';
  if (Number(await readFile(instances, 'utf8')) < 4096) await writeFile(instances, '4096');
}

/** Makes it so that these hosts are up: new ones are added, those that are off are booted, those that run are left alone. */
export async function bringUp(
  lab: LabRecord,
  wanted: readonly WantedHost[],
  note: (text: string) => void,
): Promise<void> {
  await ensureKey(lab.name);
  await ensureBridge(lab);
  const newcomers = await enlist(lab, wanted, note);
  const hosts = wanted.map(({ name }) => lab.hosts.find((h) => h.name === name)!);
  const leaders = await Promise.all(hosts.map((host) => leaderOf(lab, host.name)));
  const off = hosts.filter((_, i) => leaders[i] === undefined);
  await Promise.all(off.map((host) => ensureDisk(lab, host.name)));
  await introduce(lab, newcomers);
  await writeKnownHosts(lab);
  await Promise.all(off.map((host) => bootHost(lab, host)));
  await Promise.all(hosts.map((host, i) => untilReady(lab, host, bootTimeoutMs, wanted[i]!.apartFrom)));
}

/** The known_hosts file of a lab, from the keys that lie on its hosts' disks. */
export async function writeKnownHosts(lab: LabRecord): Promise<void> {
  const lines = await Promise.all(lab.hosts.map((h) => knownHostLines(lab, h.name, h.address)));
  const file = knownHostsOf(lab.name);
  await writeFile(`${file}.new`, `${lines.flat().join('\n')}\n`, { mode: 0o644 });
  await rename(`${file}.new`, file);
}

/** Adds the hosts that are not in the record yet, and gives those back. */
async function enlist(
  lab: LabRecord,
  wanted: readonly WantedHost[],
  note: (text: string) => void,
): Promise<HostRecord[]> {
  const fresh: WantedHost[] = [];
  for (const { name, suite } of wanted) {
    const present = lab.hosts.find((h) => h.name === name);
    if (!present) fresh.push({ name, suite });
    else if (suite && suite !== present.suite) {
      throw new LabError(`${name} of lab "${lab.name}" is ${present.suite}, not ${suite}`, {
        next: 'take the lab down first, or ask for it fresh',
      });
    }
  }
  if (fresh.length === 0) return [];
  const needed = [...new Set(fresh.map((h) => h.suite ?? defaultSuite))];
  const roots = new Map(await Promise.all(needed.map(async (s) => [s, await ensureRoot(s, note)] as const)));
  const added = fresh.map(({ name, suite = defaultSuite }) => newHost(lab, name, suite, roots.get(suite)!));
  lab.hosts.push(...added);
  lab.hosts.sort((a, b) => Number(a.name.slice(1)) - Number(b.name.slice(1)));
  await writeLab(lab);
  return added;
}

/** The key everybody logs in with. The public half is written last: without it the pair is made again. */
async function ensureKey(lab: string): Promise<void> {
  const key = keyFileOf(lab);
  if (await readFile(`${key}.pub`, 'utf8').catch(() => '')) return;
  await mkdir(labDir(lab), { recursive: true });
  await rm(key, { force: true });
  await command('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `lab ${lab}`, '-f', key]);
}
