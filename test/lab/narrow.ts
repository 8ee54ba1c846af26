import { tryCommand } from './command.ts';
import { LabError } from './lab-error.ts';
import { cableOf } from './network.ts';
import { ensurePackages } from './packages.ts';
import { type LabRecord, machineOf } from './state.ts';

/** A frame that the kernel has not cut up yet has 64 KiB; with less than some of them at once the rate is not reached. */
const BURST_BYTES = 512 * 1024;
/** So long a frame waits at most, as in the buffer of a switch; then it is lost. */
const QUEUE_MS = 20;

/**
 * Lets at most so many megabits a second through to a host, and as many from it; 0 takes the limit away. It is the kernel's own
 * (tc-tbf(8)), which takes no part of a processor that one could measure, and goes with the cable.
 */
export async function narrow(lab: LabRecord, host: string, mbit: number): Promise<void> {
  if (!(mbit >= 0)) throw new LabError(`${mbit} Mbit/s is no limit`, { next: 'give 0 for none' });
  await ensurePackages(['iproute2']);
  const ends = [
    { link: cableOf(lab, host), namespace: [] },
    { link: 'eth0', namespace: ['-n', machineOf(lab.name, host)] },
  ];
  for (const { link, namespace } of ends) {
    await tryCommand('tc', [...namespace, 'qdisc', 'del', 'dev', link, 'root']);
    if (mbit === 0) continue;
    const limit = ['rate', `${mbit}mbit`, 'burst', String(BURST_BYTES), 'latency', `${QUEUE_MS}ms`];
    const set = await tryCommand('tc', [...namespace, 'qdisc', 'add', 'dev', link, 'root', 'tbf', ...limit]);
    if (set.code !== 0) throw new LabError(`${host} cannot have a narrow line: ${set.stderr.trim()}`);
  }
}
