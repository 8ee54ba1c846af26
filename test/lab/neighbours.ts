import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tryCommand } from './command.ts';
import { leaderOf } from './host.ts';
import { type HostRecord, hostDir, type LabRecord } from './state.ts';

/** Adds the names of hosts that came later to /etc/hosts of those that have a disk already. */
export async function introduce(lab: LabRecord, newcomers: readonly HostRecord[]): Promise<void> {
  const settled = lab.hosts.filter((host) => !newcomers.includes(host));
  await Promise.all(settled.map((host) => tell(lab, host.name, newcomers)));
}

async function tell(lab: LabRecord, host: string, newcomers: readonly HostRecord[]): Promise<void> {
  const file = join(hostDir(lab.name, host), 'disk/etc/hosts');
  const present = await readFile(file, 'utf8').catch(() => undefined);
  // No file, no disk: it gets all names when it gets one.
  if (present === undefined) return;
  const lines = newcomers.map((h) => `${h.address} ${h.name}`).filter((line) => !present.includes(`${line}\n`));
  if (lines.length === 0) return;
  const text = `${lines.join('\n')}\n`;
  const leader = await leaderOf(lab, host);
  // The disk of a host that runs must not be changed from below its overlay.
  if (leader === undefined) await appendFile(file, text);
  else await tryCommand('nsenter', [`--target=${leader}`, '--mount', 'tee', '-a', '/etc/hosts'], { input: text });
}
