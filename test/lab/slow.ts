import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupMount, cgroupName, processesIn, removeCgroup } from './cgroup.ts';
import { tryCommand } from './command.ts';
import { LabError } from './lab-error.ts';
import { layLongCable, removeLongCable } from './long-cable.ts';
import { ensurePackages } from './packages.ts';
import { script } from './places.ts';
import { hostDir, type LabRecord } from './state.ts';

const relayOf = (lab: LabRecord, host: string): string => cgroupName(lab.name, `${host}-delay`);
const noteOf = (lab: LabRecord, host: string): string => join(hostDir(lab.name, host), 'round-trip-ms');

/**
 * Adds so much to every round trip between a host and everyone else, half of it each way; 0 takes it away. The frames go
 * through a small program that holds them, so bandwidth and order stay as they are. It runs on when this process ends.
 */
export async function slow(lab: LabRecord, host: string, roundTripMs: number): Promise<void> {
  if (!(roundTripMs >= 0 && roundTripMs <= 60_000)) {
    throw new LabError(`${roundTripMs} ms is no delay`, { next: 'give a number from 0 to 60000' });
  }
  await unslow(lab, host);
  if (roundTripMs === 0) return;
  await ensurePackages(['ethtool', 'perl-base']);
  await layLongCable(lab, host, (near, far) => startRelay(relayOf(lab, host), roundTripMs / 2, near, far));
  await writeFile(noteOf(lab, host), String(roundTripMs));
}

export async function unslow(lab: LabRecord, host: string): Promise<void> {
  await rm(noteOf(lab, host), { force: true });
  await removeCgroup(relayOf(lab, host));
  await removeLongCable(lab, host);
}

/** What {@link slow} has added, as long as its program is really there. */
export async function roundTripOf(lab: LabRecord, host: string): Promise<number> {
  if ((await processesIn(relayOf(lab, host))).length === 0) return 0;
  return Number(await readFile(noteOf(lab, host), 'utf8').catch(() => '0'));
}

async function startRelay(cgroup: string, delayMs: number, near: string, far: string): Promise<void> {
  const folder = join(await cgroupMount(), cgroup);
  await tryCommand('mkdir', ['-p', folder]);
  const enter = 'echo $$ >"$1/cgroup.procs"; shift; exec perl "$@"';
  const args = ['-c', enter, 'sh', folder, script('delay.pl'), String(delayMs), near, far];
  const relay = spawn('sh', args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' });
  let said = '';
  relay.stderr.on('data', (chunk: Buffer) => {
    said += chunk;
  });
  await Promise.race([
    once(relay.stdout, 'data'),
    once(relay, 'close').then(() => {
      throw new LabError(`the delay between ${near} and ${far} did not start: ${said.trim()}`);
    }),
  ]);
  relay.stdout.destroy();
  relay.stderr.destroy();
  relay.unref();
}
