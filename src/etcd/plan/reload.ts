import { parseEnvironmentFile } from '../configuration.ts';
import { type ChangePlan, type Planned, refuse } from './action.ts';
import { refuseOtherCa, refuseStranger, refuseTwoClusters } from './create-refusals.ts';
import { noMember } from './health.ts';
import type { Refusal } from './plan.ts';
import { type Due, doubts, groundFor, type RollAction, rollSteps } from './roll.ts';
import { configurationOf, hasData, isRunning, type SeenHost } from './seen.ts';
import { assess, type ClusterSight, type ClusterState, differing, memberAt, seenAt } from './sight.ts';

/** What lies on a host of a running member, beside what is wanted there. */
export interface MemberFiles {
  /** The etcd.conf that is wanted, with the members that the cluster has now. */
  configuration: string;
  configurationDiffers: boolean;
  unitDiffers: boolean;
  /** etcd.service was changed after the process had begun. */
  unitIsNewer: boolean;
  /** Starting at boot, and what else needs no restart. */
  otherDiffers: boolean;
  /** Files of certificates and keys that are not those of the control machine. */
  certificates: readonly string[];
  /** Certificates of this host that are to be issued anew, by their file stem. */
  due: readonly string[];
  /** Names of settings that systemd adds from elsewhere (etcd.service.d): no business of ours. */
  foreign: readonly string[];
  /** Whom the data belong to. */
  owner: string | undefined;
}

export interface ReloadRequest {
  sight: ClusterSight;
  files: ReadonlyMap<string, MemberFiles>;
  /** The hosts that `-l` leaves. */
  limited: readonly string[];
  /** Hosts to be restarted whatever they run with. */
  forced: readonly string[];
  /** IDs of members that were down when the run began. */
  borne?: readonly string[] | undefined;
  ca: string | undefined;
  certLocalDir: string;
}

/**
 * What `reload_etcd` has to do: certificates and files where they differ, and a restart only of members whose process
 * was started with other settings than those that are wanted. Pure.
 */
export function planReload(request: ReloadRequest): ChangePlan<RollAction> {
  const { sight, files, limited, forced, ca, certLocalDir, borne } = request;
  const state = assess(sight);
  const refusals = [...refuseTwoClusters(sight.hosts), ...refuseUnseen(sight, limited, state)];
  if (refusals.length > 0) return refuse(...refusals);
  const hosts = limited.filter((host) => memberAt(state, host) && files.has(host));
  const own = hosts.map((host) => seenAt(state, host)!);
  const frozen = own.flatMap((seen) => refuseFrozen(seen, files.get(seen.host)!));
  const grounds = frozen.length > 0 ? frozen : own.flatMap(refuseStranger);
  const trust = refuseOtherCa({ hosts: sight.hosts, limited, ca, certLocalDir });
  if (grounds.length + trust.length > 0) return refuse(...grounds, ...trust);

  const due = own.flatMap((seen): Due[] => {
    const why = reasons(seen, files.get(seen.host)!, state, forced.includes(seen.host));
    return why.length > 0 ? [{ host: seen.host, why: `restart: ${why.join(', ')}` }] : [];
  });
  const ground = due.length > 0 ? groundFor(state, due, borne) : { refusals: [], warnings: doubts(state) };
  if (ground.refusals.length > 0) return refuse(...ground.refusals);
  const actions = [
    ...certificateSteps(hosts, files),
    ...fileSteps(hosts, files, due),
    ...rollSteps(state, due).actions,
  ];
  const restarts = due.length > 0 ? `${due.length} of ${state.members.length} restarted, one at a time` : 'no restart';
  const title = `reload the cluster ${state.clusterId}: ${restarts}`;
  return { kind: 'plan', title, actions, warnings: [...ground.warnings, ...bystanders(limited, state)] };
}

/** Those of whom nothing can be said: a look at them failed, or there is no member. */
function refuseUnseen(sight: ClusterSight, limited: readonly string[], state: ClusterState): Refusal[] {
  if (state.members.length === 0) return [noMember(state)];
  const lost = sight.lost.filter(({ host }) => limited.includes(host));
  if (lost.length === limited.length) {
    return lost.map(({ host, reason }) => ({
      host,
      reason: `it cannot be reached: ${reason}`,
      next: 'Bring it back, then run again.',
    }));
  }
  const members = limited.filter((host) => memberAt(state, host));
  if (members.length > 0) return [];
  return limited.map((host) => ({
    host,
    reason: 'it is no member of the cluster',
    next: `Let it join: play add_etcd -l ${host}`,
  }));
}

function bystanders(limited: readonly string[], state: ClusterState): string[] {
  return limited
    .filter((host) => seenAt(state, host) && !memberAt(state, host))
    .map((host) => `${host} is no member of the cluster, and is left alone: play add_etcd -l ${host}`);
}

/** Settings that belong to the member's identity or to its data: a restart does not change them, or harms. */
const FROZEN: readonly [string, (host: string) => string][] = [
  ['ETCD_NAME', () => "its certificates and the members' lists go by its name: set it back"],
  [
    'ETCD_DATA_DIR',
    (host) => `its data would not move with it: set it back, or replace the member: play replace_etcd -l ${host}`,
  ],
  [
    'ETCD_WAL_DIR',
    (host) => `its log would not move with it: set it back, or replace the member: play replace_etcd -l ${host}`,
  ],
  [
    'ETCD_INITIAL_ADVERTISE_PEER_URLS',
    (host) => `the cluster knows it by this address: set it back, or move the member: play move_etcd -l ${host}`,
  ],
];

function refuseFrozen(seen: SeenHost, { configuration, owner }: MemberFiles): Refusal[] {
  const { host, settings } = seen;
  const actual = configurationOf(seen) ?? seen.facts.running?.environment;
  if (!actual) return [];
  const wanted = parseEnvironmentFile(configuration);
  const refusals = FROZEN.filter(([name]) => actual.get(name) !== wanted.get(name)).map(([name, next]) => {
    const is = (value: string | undefined) => value ?? 'not set';
    const what = name === 'ETCD_INITIAL_ADVERTISE_PEER_URLS' ? 'its peer address' : name;
    return {
      host,
      reason: `${what} is ${is(actual.get(name))} and ${is(wanted.get(name))} is wanted: that cannot change while it runs`,
      next: sentence(next(host)),
    };
  });
  if (owner !== undefined && owner !== settings.user && hasData(seen)) {
    refusals.push({
      host,
      reason: `its data belong to ${owner}, and ETCD_USER is ${settings.user}`,
      next: `Set ETCD_USER back, or replace the member: play replace_etcd -l ${host}`,
    });
  }
  return refusals;
}

const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`;

/** Why a member must be restarted; empty where its process runs with all that is wanted. */
export function reasons(seen: SeenHost, files: MemberFiles, state: ClusterState, forced: boolean): string[] {
  const { running } = seen.facts;
  if (!isRunning(seen) || !running) return ['etcd does not run'];
  const settings = differing(running.environment, parseEnvironmentFile(files.configuration))
    .filter((name) => !files.foreign.includes(name))
    .map((name) => (name === 'PLAY_TRUSTED_CA' ? 'the CA that it trusts' : name));
  const unit = files.unitDiffers || files.unitIsNewer ? ['etcd.service'] : [];
  const why = [...settings, ...unit];
  if (why.length > 0) return why;
  // One that answers and has no leader waits for others: a restart of its own is of no help.
  if (memberAt(state, seen.host)?.status === undefined) return ['it does not answer'];
  return forced ? ['as asked for'] : [];
}

/** One step for all hosts: etcd reads its certificate anew for each connection (etcd-io/website op-guide/security). */
export function certificateSteps(
  hosts: readonly string[],
  files: ReadonlyMap<string, MemberFiles>,
): Planned<RollAction>[] {
  const issue = [...new Set(hosts.flatMap((host) => files.get(host)!.due))].sort();
  const to = hosts.filter((host) => files.get(host)!.due.length + files.get(host)!.certificates.length > 0);
  if (to.length === 0) return [];
  const issued = issue.length > 0 ? `issue ${issue.join(', ')}; ` : '';
  const does = `${issued}send certificates, see that they are served; no restart`;
  const undo = issue.length > 0 ? 'the old ones hold good until they end' : 'not needed';
  return [{ action: { do: 'certificates', hosts: to, issue }, step: { hosts: to, does, quorum: 'untouched', undo } }];
}

export function fileSteps(
  hosts: readonly string[],
  files: ReadonlyMap<string, MemberFiles>,
  due: readonly Due[],
): Planned<RollAction>[] {
  const to = hosts.filter((host) => {
    const { configurationDiffers, otherDiffers } = files.get(host)!;
    return (configurationDiffers || otherDiffers) && !due.some((one) => one.host === host);
  });
  if (to.length === 0) return [];
  const does = 'etcd.conf and etcd.service as wanted, in what needs no restart';
  return [{ action: { do: 'files', hosts: to }, step: { hosts: to, does, quorum: 'untouched', undo: 'not needed' } }];
}
