import { compareVersions, type Minor, minorOf, minors, versionProblem } from '../versions.ts';
import type { Refusal } from './plan.ts';

/** One release to the next: all members run it before the one after is begun. */
export interface Leg {
  from: string;
  to: string;
  /** The minor version changes: data, settings and what can be undone with it. */
  minor: boolean;
}

/**
 * The newest release of each minor version when this was written (November 2026): what lies between where none is at hand or
 * named. 3.3 and 3.5 to 3.7 as the Go module proxy lists them; 3.4 ended with 3.4.45, by etcd's announcement of June 2026.
 */
export const newest: Readonly<Record<Minor, string>> = {
  '3.3': '3.3.27',
  '3.4': '3.4.45',
  '3.5': '3.5.35',
  '3.6': '3.6.16',
  '3.7': '3.7.3',
};

/**
 * The oldest release of a minor version that may be left for the next one. 3.5 and 3.6 are of etcd's upgrade guides
 * (etcd-io/website upgrades/upgrade_3_6 and _3_7; earlier states of the former asked for 3.5.20, then 3.5.26); of 3.3 the
 * last that crashes at a restart is 3.3.21.
 */
export const leaveFrom: Readonly<Partial<Record<Minor, { least: string; why: string }>>> = {
  '3.3': { least: '3.3.22', why: 'older ones may crash while 3.4 is brought' },
  '3.5': { least: '3.5.32', why: 'older ones bring learners, removed members and v2 logs into 3.6 in a wrong shape' },
  '3.6': { least: '3.6.11', why: 'older ones do not get on with 3.7 in one cluster' },
};

export interface PathRequest {
  from: string;
  to: string;
  /** Releases to go through, as the user names them. */
  via?: readonly string[];
  /** Releases that lie on the control machine. */
  atHand?: readonly string[];
}

/** The releases between two, one minor version at a time; or why there is no way. Pure. */
export function upgradePath({ from, to, via = [], atHand = [] }: PathRequest): Leg[] | Refusal {
  const fault = versionProblem(to) ?? (minorOf(from) ? undefined : versionProblem(from));
  if (fault) return { reason: `etcd ${versionProblem(to) ? to : from} ${fault.problem}`, next: fault.next };
  if (compareVersions(to, from) <= 0) {
    const reason = `etcd ${from} runs, and ${to} is ${from === to ? 'the same' : 'older'}`;
    return { reason, next: from === to ? 'Nothing is to be done.' : `play downgrade_etcd -e ETCD_VERSION=${to}` };
  }
  const stray = via.find((one) => versionProblem(one) || compareVersions(one, to) > 0);
  if (stray !== undefined) {
    const problem = versionProblem(stray);
    return {
      reason: `etcd ${stray}, which is to be gone through, ${problem ? problem.problem : `is newer than ${to}`}`,
      next: problem?.next ?? 'Take it out of via.',
    };
  }
  const named = [...new Set(via)].filter((one) => one !== to).sort(compareVersions);
  const legs: Leg[] = [];
  for (let at = from; at !== to; ) {
    const wanted = [...named, to].find((one) => compareVersions(one, at) > 0)!;
    const next = stepTowards(at, wanted, atHand);
    if (typeof next !== 'string') return next;
    legs.push({ from: at, to: next, minor: minorOf(at) !== minorOf(next) });
    at = next;
  }
  return legs;
}

/** The next release on the way: the wanted one, or one that must lie between. */
function stepTowards(at: string, wanted: string, atHand: readonly string[]): string | Refusal {
  const [here, there] = [minorOf(at)!, minorOf(wanted)!];
  if (here === there) return wanted;
  const floor = leaveFrom[here];
  if (floor && compareVersions(at, floor.least) < 0) {
    const bridge = bridgeOf(here, atHand, floor.least);
    if (compareVersions(bridge, at) > 0) return bridge;
    return {
      reason: `etcd ${at} cannot be left for ${there}: ${floor.why}`,
      next: `Name a release from ${floor.least} on: -e via=${floor.least}`,
    };
  }
  const after = minors[minors.indexOf(here) + 1]!;
  return after === there ? wanted : bridgeOf(after, atHand, leaveFrom[after]?.least);
}

/** The newest that is at hand and new enough to be left again, else the newest that we know of. */
function bridgeOf(minor: Minor, atHand: readonly string[], least?: string): string {
  const fit = atHand
    .filter((one) => minorOf(one) === minor && !versionProblem(one))
    .filter((one) => least === undefined || compareVersions(one, least) >= 0)
    .sort(compareVersions);
  return fit.at(-1) ?? newest[minor];
}
