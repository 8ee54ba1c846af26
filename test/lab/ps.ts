import { cgroupName, isFrozen } from './cgroup.ts';
import { leaderOf } from './host.ts';
import { cableState } from './network.ts';
import { uptimeMs } from './process.ts';
import { roundTripOf } from './slow.ts';
import type { HostRecord, LabRecord } from './state.ts';
import type { Suite } from './suite.ts';

export interface HostStatus {
  name: string;
  address: string;
  suite: Suite;
  running: boolean;
  /** PID 1 of the host, as this machine numbers it. */
  leaderPid: number | undefined;
  uptimeMs: number | undefined;
  cut: boolean;
  frozen: boolean;
  /** What `slow` has added to a round trip; 0 when nothing. */
  roundTripMs: number;
}

/** What can be said of a host from outside, without a connection to it. */
export async function statusOf(lab: LabRecord, host: HostRecord): Promise<HostStatus> {
  const leader = await leaderOf(lab, host.name);
  const [cable, frozen, roundTripMs] = await Promise.all([
    cableState(lab, host.name),
    isFrozen(cgroupName(lab.name, host.name)),
    roundTripOf(lab, host.name),
  ]);
  return {
    name: host.name,
    address: host.address,
    suite: host.suite,
    running: leader !== undefined,
    leaderPid: leader,
    uptimeMs: leader === undefined ? undefined : await uptimeMs(leader),
    cut: cable === 'down',
    frozen,
    roundTripMs,
  };
}
