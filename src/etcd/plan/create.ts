import { isPublished } from '../cluster.ts';
import { quorumOf } from '../quorum.ts';
import {
  drift,
  refuseAllLost,
  refuseFormed,
  refuseForming,
  refuseLimit,
  refuseOtherCa,
  refuseStranger,
  refuseTwoClusters,
  refuseUnlisted,
} from './create-refusals.ts';
import type { PlanStep, Refusal } from './plan.ts';
import {
  type CreateObservation,
  hasData,
  isInstalled,
  isRunning,
  memberList,
  names,
  type SeenHost,
  saysExisting,
  stateOf,
} from './seen.ts';

export type CreatePlan =
  | {
      kind: 'refused';
      refusals: Refusal[];
      /** Hosts of a formed cluster whose etcd.conf is not the wanted one: check mode shows the difference. */
      drifted: string[];
    }
  | {
      kind: 'create' | 'complete' | 'nothing';
      /** Whether the cluster had formed when it was looked at. */
      formed: boolean;
      clusterId: string | undefined;
      /** ETCD_INITIAL_CLUSTER_STATE to write before anything is started. */
      state: 'new' | 'existing';
      install: string[];
      /**
       * Members with data that are silent while another host has none: they are started first and asked whether the
       * cluster had formed. While this is not empty the plan ends here, and is made anew afterwards.
       */
      wake: string[];
      /** Hosts whose log has not one record: what there is is put aside, before they are started. */
      blank: string[];
      start: string[];
      /** Hosts whose configuration still says `new` although the cluster has formed, or will have. */
      settle: string[];
      steps: PlanStep[];
    };

type Begun = Exclude<CreatePlan, { kind: 'refused' }>;

/**
 * What `create_etcd` has to do, from what is really there; the same for a first run, a run after an interruption and a
 * run on a finished cluster. It never takes an empty directory for a new member once the cluster has formed.
 * Pure. Sources of the rules: etcd-io/website op-guide/clustering and runtime-configuration.
 */
export function planCreate(observation: CreateObservation): CreatePlan {
  const { hosts, limited } = observation;
  const formed = hosts.some((seen) => seen.api || seen.peers?.some(isPublished) || saysExisting(seen));
  const list = memberList(hosts);
  const refusals = [
    ...refuseTwoClusters(hosts),
    ...hosts.flatMap((seen) => refuseStranger(seen)),
    ...refuseOtherCa(observation),
    ...(formed
      ? (refuseAllLost(hosts) ?? hosts.flatMap((seen) => refuseFormed(seen, list, hosts)))
      : hosts.flatMap((s) => refuseForming(s, hosts))),
    ...(formed && list ? refuseUnlisted(hosts, list) : []),
    ...(!formed && limited.length < hosts.length ? [refuseLimit(hosts, limited)] : []),
  ];
  const acted = hosts.filter((seen) => limited.includes(seen.host));
  if (refusals.length > 0) {
    const drifted = formed ? names(acted.filter((seen) => hasData(seen) && drift(seen).length > 0)) : [];
    return { kind: 'refused', refusals, drifted };
  }

  const install = names(acted.filter((seen) => !isInstalled(seen)));
  const blank = names(acted.filter(({ facts }) => facts.data.isBlank));
  const start = names(acted.filter((seen) => !isRunning(seen) || seen.facts.data.isBlank));
  // A forming writes `new` everywhere, also where an older etcd.conf without data said something else.
  const settle = names(acted.filter((seen) => !formed || stateOf(seen) !== 'existing'));
  const begun = hosts.some(hasData);
  const silent = hosts.filter((seen) => hasData(seen) && !seen.api && !seen.peers);
  const wake = !formed && hosts.some((seen) => !hasData(seen)) ? names(silent) : [];
  const kind =
    formed && start.length + settle.length + install.length === 0 ? 'nothing' : begun ? 'complete' : 'create';
  const state = formed ? 'existing' : 'new';
  const clusterId = hosts.find((seen) => seen.api)?.api?.status.clusterId;
  if (wake.length > 0) {
    return { kind, formed, clusterId, state, install: [], wake, ...NOTHING_DUE, steps: [wakeStep(wake)] };
  }
  const due = { install, blank, start, settle };
  return { kind, formed, clusterId, state, wake, ...due, steps: steps(hosts, { formed, ...due }) };
}

const NOTHING_DUE = { blank: [], start: [], settle: [] };

function wakeStep(hosts: string[]): PlanStep {
  const does = 'start these, which have data, and ask them whether the cluster had formed; then plan anew';
  return { hosts, does, quorum: 'none', undo: 'stop them' };
}

function steps(
  hosts: readonly SeenHost[],
  { formed, install, blank, start, settle }: Pick<Begun, 'formed' | 'install' | 'blank' | 'start' | 'settle'>,
): PlanStep[] {
  const version = hosts[0]?.settings.version;
  const quorum = quorumOf(hosts.length);
  const all: PlanStep[] = [];
  if (install.length > 0) {
    const undo = 'remove the versioned directory';
    all.push({ hosts: install, does: `install etcd ${version}`, quorum: 'none', undo });
  }
  if (blank.length > 0) {
    all.push({
      hosts: blank,
      does: 'etcd was ended here before the first record of its log: what it made is put aside',
      quorum: 'none',
      undo: 'move it back',
    });
  }
  if (!formed) {
    all.push({
      hosts: names(hosts),
      does: 'user, directories, certificates, etcd.conf (new), etcd.service',
      quorum: 'none',
      undo: 'remove the files',
    });
  }
  if (start.length > 0 && !formed) {
    const effect = `forms: ${quorum} of ${hosts.length}`;
    const undo = 'no: from here on it is a cluster with data';
    all.push({
      hosts: start,
      does: 'start together, wait for one leader, write and read through each',
      quorum: effect,
      undo,
    });
  } else if (start.length > 0) {
    all.push({ hosts: start, does: 'start the stopped members', quorum: `+${start.length}`, undo: 'stop them' });
  }
  if (settle.length > 0) {
    all.push({ hosts: settle, does: 'etcd.conf says existing', quorum: 'none', undo: 'not needed' });
  }
  return all;
}
