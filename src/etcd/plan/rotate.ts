import type { Rotation, RotationStep } from '../../pki/rotation.ts';
import { trustedCaSum } from '../configuration.ts';
import { type ChangePlan, type Planned, refuse } from './action.ts';
import { refuseOtherCa, refuseStranger, refuseTwoClusters } from './create-refusals.ts';
import { noMember, unhealthy } from './health.ts';
import type { Refusal } from './plan.ts';
import { certificateSteps, fileSteps, type MemberFiles, reasons } from './reload.ts';
import { canBeRevived, type Due, doubts, type RollAction, rollSteps } from './roll.ts';
import { configurationOf, hasData, isRunning, type SeenHost } from './seen.ts';
import { assess, type ClusterSight, type ClusterState, memberAt } from './sight.ts';

export type RotateAction =
  | RollAction
  /** On the control machine alone. */
  | { do: 'authority'; steps: readonly RotationStep[] }
  /** All of these stopped, all files replaced, all started: nothing is served meanwhile. */
  | { do: 'all at once'; hosts: readonly string[] };

export interface RotateRequest {
  sight: ClusterSight;
  files: ReadonlyMap<string, MemberFiles>;
  limited: readonly string[];
  rotation: Rotation;
  /** The certificates that all hosts together have, by their file stem. */
  leaves: readonly string[];
  ca: string | undefined;
  certLocalDir: string;
}

const HALF_DONE =
  'Go on with it: play rotate_certs_etcd -e ca=true. Or go back: play rotate_certs_etcd -e ca=true -e back=true';

/** New certificates from the CA that is there: what is to be replaced is among what is due. Pure. */
export function planRotateLeaves({
  sight,
  files,
  limited,
  rotation,
  ca,
  certLocalDir,
}: RotateRequest): ChangePlan<RotateAction> {
  const state = assess(sight);
  if (rotation.stage !== 'none') {
    return refuse({ reason: `a change of CA is half done (${stageText(rotation)})`, next: HALF_DONE });
  }
  const refusals = [...common(sight, state), ...refuseOtherCa({ hosts: sight.hosts, limited, ca, certLocalDir })];
  if (refusals.length > 0) return refuse(...refusals);
  const hosts = limited.filter((host) => memberAt(state, host) && files.has(host));
  const title = `new certificates for ${hosts.length} of ${state.members.length} members of the cluster ${state.clusterId}`;
  return { kind: 'plan', title, actions: certificateSteps(hosts, files), warnings: doubts(state) };
}

function common(sight: ClusterSight, state: ClusterState): Refusal[] {
  if (state.members.length === 0) return [noMember(state)];
  return [...refuseTwoClusters(sight.hosts), ...sight.hosts.filter(hasData).flatMap(refuseStranger)];
}

export interface AuthorityRequest extends RotateRequest {
  allHosts: readonly string[];
  back: boolean;
  /** The last phase that is to be made. */
  until: number;
  /** Also right after a change of CA. */
  again: boolean;
  now: Date;
}

/** A run that was ended behind its last step is run again: that must not begin another change. */
const JUST_NOW_MS = 10 * 60_000;

/**
 * A new CA without an outage (rules: `security.md`; etcd reads what it trusts at its start only): (1) all trust both, one
 * rolling restart; (2) all certificates from the new one; (3) all trust the new one only, one more rolling restart. Or the
 * way back, until the third has begun. Pure: from the files here, those on the hosts, and what the processes read.
 */
export function planAuthority(request: AuthorityRequest): ChangePlan<RotateAction> {
  const { sight, limited, allHosts, rotation, back, again, now } = request;
  const state = assess(sight);
  const { stage } = rotation;
  const behind = sight.hosts.filter((seen) => hasData(seen) && readsOnly(seen, rotation.old));
  if (limited.length < allHosts.length) return refuse(wholeCluster(limited, allHosts));
  if (stage === 'new' && behind.length > 0) {
    return refuse({
      reason: `${behind.map(({ host }) => host).join(', ')} trust only the old CA, and all else has the new one: a change with an outage was begun`,
      next: 'Finish it: play rotate_certs_etcd -e ca=true -e outage=accept',
    });
  }
  if (back && (stage === 'none' || stage === 'new')) return refuse(noWayBack(stage));
  if (stage === 'none' && !again && rotation.changedAt && +now - +rotation.changedAt < JUST_NOW_MS) {
    const minutes = Math.max(1, Math.round((+now - +rotation.changedAt) / 60_000));
    const title = `the CA was changed ${minutes} ${minutes === 1 ? 'minute' : 'minutes'} ago`;
    return { kind: 'plan', title, actions: [], warnings: [`${title}: to change it once more, add -e again=true`] };
  }
  if (rotation.endedAt) return refuse(endedCa(rotation.endedAt));
  const refusals = [...common(sight, state), ...strangeTrust(request)];
  if (refusals.length > 0) return refuse(...refusals);
  const course = new Course(request, state);
  const ground = course.ground();
  if (ground.length > 0) return refuse(...ground);
  const actions = back ? course.back() : course.forward();
  const title = `${back ? 'go back to the old CA of' : 'a new CA for'} the cluster ${state.clusterId} (${stageText(rotation)})`;
  return { kind: 'plan', title, actions, warnings: [] };
}

/** Whoever connects checks the CA's dates too: members refuse each other and us, and what is new cannot be shown to them. */
function endedCa(endedAt: Date): Refusal {
  return {
    reason: `the CA ended on ${endedAt.toISOString()}: members refuse each other and us`,
    next: 'Replace it with all certificates at once: play rotate_certs_etcd -e ca=true -e outage=accept',
  };
}

function wholeCluster(limited: readonly string[], allHosts: readonly string[]): Refusal {
  const left = allHosts.filter((host) => !limited.includes(host)).join(', ');
  return { reason: `a CA is changed for a whole cluster, and -l leaves out ${left}`, next: 'Run without -l.' };
}

function noWayBack(stage: 'none' | 'new'): Refusal {
  return stage === 'none'
    ? { reason: 'no change of CA is under way', next: 'There is nothing to go back from.' }
    : {
        reason: 'the last phase has begun: the old CA is trusted no more',
        next: 'Finish it: play rotate_certs_etcd -e ca=true. The old CA is kept aside.',
      };
}

export function stageText({ stage }: Rotation): string {
  switch (stage) {
    case 'none':
      return 'not begun';
    case 'made':
      return 'begun: the new CA is made, and nobody trusts it yet';
    case 'both, old signs':
      return 'phase 1 of 3: members learn to trust both';
    case 'both, new signs':
      return 'phase 2 of 3: certificates are issued by the new one';
    case 'new':
      return 'phase 3 of 3: members trust the new one only';
  }
}

/** What a process has read at its start. */
function readsOnly({ facts }: SeenHost, pem: string): boolean {
  return facts.running?.environment.get('PLAY_TRUSTED_CA') === trustedCaSum(pem);
}

/** Each host must have one of the three: what else it may have is none of this change. */
function strangeTrust({ sight, rotation }: RotateRequest): Refusal[] {
  const known = [rotation.old, rotation.both, rotation.new].map((pem) => pem.trim());
  return sight.hosts
    .filter(({ facts }) => facts.ca !== undefined && !known.includes(facts.ca.trim()))
    .map(({ host }) => ({
      host,
      reason: 'it trusts another CA than those in CERT_LOCAL_DIR',
      next: 'Use the CERT_LOCAL_DIR the cluster was made with.',
    }));
}

type Steps = Planned<RotateAction>[];

/** The rest of the way, from wherever it stands. */
class Course {
  readonly #request: AuthorityRequest;
  readonly #state: ClusterState;
  readonly #hosts: readonly string[];
  #leader: string | undefined;

  constructor(request: AuthorityRequest, state: ClusterState) {
    this.#request = request;
    this.#state = state;
    this.#hosts = request.sight.hosts.map(({ host }) => host).filter((host) => memberAt(state, host));
    this.#leader = state.leader?.host;
  }

  /** Everything must be up and well, but for a member that fell over its own restart. */
  ground(): Refusal[] {
    const due = this.#due();
    const revived = this.#state.members.filter((one) => canBeRevived(one) && due.some(({ host }) => host === one.host));
    const ids = revived.map(({ member }) => member.id);
    return unhealthy(this.#state, { ids, mayWait: revived.length > 0 });
  }

  forward(): Steps {
    const { rotation, until, leaves } = this.#request;
    const { stage } = rotation;
    const steps: Steps = [];
    if (stage === 'none') steps.push(control('make'));
    if (stage === 'none' || stage === 'made') {
      steps.push(control('trust both'), this.#send(1), ...this.#restartAll(1));
    } else if (stage === 'both, old signs' || this.#distrusting().length > 0) {
      if (stage === 'both, new signs') steps.push(control('sign by old'));
      steps.push(...this.#rest(1));
    }
    if (until < 2) return steps;
    if (stage === 'both, new signs' && this.#distrusting().length === 0) steps.push(...this.#rest(2));
    else if (stage !== 'new') steps.push(control('sign by new'), this.#send(2, leaves));
    if (until < 3) return steps;
    if (stage === 'new') steps.push(...this.#rest(3));
    else steps.push(control('trust new'), this.#send(3), ...this.#restartAll(3));
    return [...steps, control('keep old')];
  }

  /** Where it has come back to the old CA already, only what the hosts still have is left. */
  back(): Steps {
    const { rotation, sight } = this.#request;
    const { stage, old } = rotation;
    const steps = stage === 'made' ? [] : [...this.#leavesOfOld(), control('trust old')];
    const seen = sight.hosts.filter(({ host }) => this.#hosts.includes(host));
    const sent = seen.filter(({ facts }) => facts.ca?.trim() !== old.trim()).map(({ host }) => host);
    if (sent.length > 0) steps.push(this.#send(1, [], sent));
    const told = (one: SeenHost) => configurationOf(one)?.get('PLAY_TRUSTED_CA') === trustedCaSum(old);
    const due = seen.filter((one) => !isRunning(one) || !readsOnly(one, old) || !told(one)).map(({ host }) => host);
    // One that fell over its restart comes first here, too.
    return [...steps, ...this.#restart(due, 1, false), control('drop new')];
  }

  #leavesOfOld(): Steps {
    const { rotation, files, leaves } = this.#request;
    if (rotation.stage !== 'both, new signs') {
      // What is trusted is not sent any more, to be taken back at once.
      const isLeaf = (path: string) => !path.endsWith('/etcd-ca.pem');
      const leavesOnly = [...files].map(
        ([host, one]) => [host, { ...one, certificates: one.certificates.filter(isLeaf) }] as const,
      );
      return certificateSteps(this.#hosts, new Map(leavesOnly));
    }
    const stillOld = new Set(this.#hosts.flatMap((host) => files.get(host)!.due));
    const issue = leaves.filter((id) => !stillOld.has(id));
    return [control('sign by old'), ...(issue.length > 0 ? [this.#send(2, issue)] : [])];
  }

  /** Members whose process does not trust the new CA yet, although it signs: a change with an outage was cut off. */
  #distrusting(): SeenHost[] {
    const { sight, rotation } = this.#request;
    if (rotation.stage !== 'both, new signs') return [];
    return sight.hosts.filter((seen) => this.#hosts.includes(seen.host) && readsOnly(seen, rotation.old));
  }

  #due(): Due[] {
    const { sight, files } = this.#request;
    return sight.hosts
      .filter(({ host }) => this.#hosts.includes(host))
      .flatMap((seen) => {
        const why = reasons(seen, files.get(seen.host)!, this.#state, false);
        return why.length > 0 ? [{ host: seen.host, why: `restart: ${why.join(', ')}` }] : [];
      });
  }

  /** What is left of a phase that was begun. */
  #rest(phase: 1 | 2 | 3): Steps {
    const { files } = this.#request;
    const due = this.#due();
    const rolled = rollSteps(this.#state, due, phase === 2 ? {} : { phase });
    this.#leader = rolled.leader;
    return [...certificateSteps(this.#hosts, files), ...fileSteps(this.#hosts, files, due), ...rolled.actions];
  }

  #restartAll(phase: 1 | 3): Steps {
    return this.#restart(this.#hosts, phase, true);
  }

  #restart(hosts: readonly string[], phase: 1 | 3, allServe: boolean): Steps {
    const due = hosts.map((host) => ({ host, why: `phase ${phase}: restart: the CA that it trusts` }));
    const rolled = rollSteps(this.#state, due, { leader: this.#leader, phase, allServe });
    this.#leader = rolled.leader;
    return rolled.actions;
  }

  #send(phase: 1 | 2 | 3, issue: readonly string[] = this.#alreadyDue(), hosts = this.#hosts): Planned<RotateAction> {
    const does =
      phase === 2
        ? 'phase 2: issue all certificates anew, send them, see that they are served; no restart'
        : `phase ${phase}: send what is to be trusted; it is read at the next restart`;
    const undo =
      phase === 3 ? 'no: from here on it is only finished' : 'play rotate_certs_etcd -e ca=true -e back=true';
    return {
      action: { do: 'certificates', hosts, issue: [...issue].sort() },
      step: { hosts, does, quorum: 'untouched', undo },
    };
  }

  /** Certificates that would have been issued anyway. */
  #alreadyDue(): string[] {
    if (this.#request.rotation.stage !== 'none' && this.#request.rotation.stage !== 'made') return [];
    return [...new Set(this.#hosts.flatMap((host) => this.#request.files.get(host)!.due))];
  }
}

const WORDS: Record<RotationStep, { does: string; undo: string }> = {
  make: { does: 'phase 1: make a new CA; the old one stays beside it', undo: '-e back=true' },
  'trust both': { does: 'phase 1: ca.pem holds both', undo: '-e back=true' },
  'sign by new': { does: 'phase 2: the new CA signs', undo: '-e back=true' },
  'trust new': { does: 'phase 3: ca.pem holds the new CA alone', undo: 'no: from here on it is only finished' },
  'keep old': { does: 'put the old CA and its key aside', undo: 'not needed' },
  'sign by old': { does: 'the old CA signs again', undo: '-e ca=true' },
  'trust old': { does: 'ca.pem holds the old CA alone again', undo: '-e ca=true' },
  'drop new': { does: 'put the new CA and its key aside', undo: 'not needed' },
};

function control(...steps: RotationStep[]): Planned<RotateAction> {
  const last = WORDS[steps.at(-1)!];
  const does = steps.map((one) => WORDS[one].does).join('; ');
  return { action: { do: 'authority', steps }, step: { hosts: [], does, quorum: 'untouched', undo: last.undo } };
}

/**
 * The way of the reference document (1.6): everything is made ready, all members are stopped, their files are replaced,
 * all are started together. Goes on wherever it was cut off. Pure.
 */
export function planOutage(request: AuthorityRequest): ChangePlan<RotateAction> {
  const { sight, files, limited, allHosts, rotation, again, now } = request;
  const { stage } = rotation;
  const state = assess(sight);
  if (limited.length < allHosts.length) return refuse(wholeCluster(limited, allHosts));
  if (stage === 'none' && !again && rotation.changedAt && +now - +rotation.changedAt < JUST_NOW_MS) {
    const title = 'the CA was changed a moment ago';
    return { kind: 'plan', title, actions: [], warnings: [`${title}: to change it once more, add -e again=true`] };
  }
  const grounds = [
    ...sight.lost.map(({ host, reason }) => ({
      host,
      reason: `it cannot be reached: ${reason}`,
      next: 'All members are changed together: bring it back first.',
    })),
    ...refuseTwoClusters(sight.hosts),
    ...sight.hosts.filter(hasData).flatMap(refuseStranger),
    ...strangeTrust(request),
    // With a CA that has ended nobody can be asked, and nothing is served that could be lost.
    ...(stage === 'none' && !rotation.endedAt ? unhealthy(state) : []),
  ];
  if (grounds.length > 0) return refuse(...grounds);
  const members = sight.hosts.filter(hasData);
  const isDone = (seen: SeenHost) =>
    stage === 'new' &&
    isRunning(seen) &&
    readsOnly(seen, rotation.new) &&
    files.get(seen.host)!.due.length + files.get(seen.host)!.certificates.length === 0;
  const hosts = members.filter((seen) => !isDone(seen)).map(({ host }) => host);
  const actions: Steps = [];
  if (stage === 'none') actions.push(control('make'));
  if (stage === 'none' || stage === 'made') actions.push(control('trust both', 'sign by new', 'trust new'));
  if (stage === 'both, old signs') actions.push(control('sign by new', 'trust new'));
  if (stage === 'both, new signs') actions.push(control('trust new'));
  if (hosts.length > 0) {
    const does = 'stop all, replace what they trust and all certificates, start all together';
    const quorum = 'NOTHING IS SERVED until they are back: some seconds, as was asked for';
    actions.push({ action: { do: 'all at once', hosts }, step: { hosts, does, quorum, undo: 'no' } });
  }
  if (stage !== 'none' || hosts.length > 0) actions.push(control('keep old'));
  const title = `a new CA with an outage for ${members.length} members`;
  return { kind: 'plan', title, actions, warnings: [] };
}
