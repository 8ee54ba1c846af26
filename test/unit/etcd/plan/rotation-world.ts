import { parseEnvironmentFile, trustedCaSum } from '../../../../src/etcd/configuration.ts';
import type { Planned } from '../../../../src/etcd/plan/action.ts';
import type { MemberFiles } from '../../../../src/etcd/plan/reload.ts';
import type { AuthorityRequest, RotateAction } from '../../../../src/etcd/plan/rotate.ts';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import type { Rotation, RotationStage, RotationStep } from '../../../../src/pki/rotation.ts';
import { ACTIVE, status, Wanted, withFacts } from './observed.ts';

export type Ca = 'old' | 'new';
export type Trust = Ca | 'both';

export interface RotationHost {
  host: string;
  /** The file of trusted certificates, and what etcd.conf says of it. */
  file: Trust;
  conf: Trust;
  /** What its process has read; undefined where none runs. */
  running: Trust | undefined;
  /** Who issued what lies there, by file stem. */
  leaves: ReadonlyMap<string, Ca>;
}

/** A cluster in the middle of a change of CA, and the control machine. */
export interface RotationWorld {
  stage: RotationStage;
  /** What is trusted where no change is under way (any more). */
  settled: Ca;
  leaves: ReadonlyMap<string, Ca>;
  hosts: readonly RotationHost[];
  leader: string;
}

const block = (words: string) => `-----BEGIN CERTIFICATE-----\n${words}\n-----END CERTIFICATE-----\n`;
const PEM: Record<Trust, string> = { old: block('old'), new: block('new'), both: block('old') + block('new') };
const wanted = new Map([1, 2, 3, 5].map((size) => [size, new Wanted(size)]));
export const SIZES = [...wanted.keys()];
const configurations = new Map<string, string>();

export function freshWorld(size: number): RotationWorld {
  const { hosts } = wanted.get(size)!;
  const leaves = new Map(idsOf(hosts).map((id) => [id, 'old' as Ca]));
  return {
    stage: 'none',
    settled: 'old',
    leaves,
    leader: 'h1',
    hosts: hosts.map((host) => ({
      host,
      file: 'old',
      conf: 'old',
      running: 'old',
      leaves: new Map(ownIds(host).map((id) => [id, 'old' as Ca])),
    })),
  };
}

const ownIds = (host: string) => ['client', `etcd-${host}-peer`, `etcd-${host}-server`];
const idsOf = (hosts: readonly string[]) => [...new Set(hosts.flatMap(ownIds))].sort();

export function localTrust({ stage, settled }: RotationWorld): Trust {
  if (stage === 'none') return settled;
  return stage === 'made' ? 'old' : stage === 'new' ? 'new' : 'both';
}

const signer = ({ stage, settled }: RotationWorld): Ca =>
  stage === 'none' ? settled : stage === 'new' || stage === 'both, new signs' ? 'new' : 'old';

const dueOn = (world: RotationWorld, host: string) =>
  ownIds(host).filter((id) => world.leaves.get(id) !== signer(world));

function configuration(size: number, host: string, trust: Trust): string {
  const key = `${size} ${host} ${trust}`;
  const made =
    configurations.get(key) ??
    `${wanted.get(size)!.configuration(host, 'existing')}PLAY_TRUSTED_CA="${trustedCaSum(PEM[trust])}"\n`;
  configurations.set(key, made);
  return made;
}

export function lookAt(
  world: RotationWorld,
  how: Partial<Pick<AuthorityRequest, 'back' | 'until' | 'again'>> = {},
): AuthorityRequest {
  const size = world.hosts.length;
  const all = wanted.get(size)!;
  const up = world.hosts.filter(({ running }) => running);
  const leaderId = up.some(({ host }) => host === world.leader) ? world.leader : up[0]?.host;
  const hasQuorum = up.length > size / 2;
  const local = localTrust(world);
  const seen = world.hosts.map((one): SeenHost => {
    const wish = configuration(size, one.host, local);
    const facts = { ca: PEM[one.file], configuration: configuration(size, one.host, one.conf) };
    const stopped = { ...withFacts(all.stopped(one.host), facts), wanted: wish };
    if (!one.running) return stopped;
    const environment = parsed(configuration(size, one.host, one.running));
    const running = withFacts(stopped, { ...ACTIVE, running: { environment, binary: '/opt/etcd/v3.5.16/etcd' } });
    const own = { ...status(one.host), leaderId: hasQuorum ? leaderId : undefined };
    return hasQuorum
      ? { ...running, status: own, api: { status: own, members: all.members(all.hosts) } }
      : { ...running, status: own, peers: all.members(all.hosts) };
  });
  return {
    sight: { hosts: seen, lost: [] },
    files: new Map(world.hosts.map((one) => [one.host, filesOf(world, one)])),
    limited: all.hosts,
    allHosts: all.hosts,
    rotation: rotationOf(world),
    leaves: idsOf(all.hosts),
    ca: PEM[local],
    certLocalDir: '/inv/pki',
    back: false,
    until: 3,
    again: false,
    now: new Date(0),
    ...how,
  };
}

const environments = new Map<string, Map<string, string>>();
function parsed(text: string): Map<string, string> {
  const made = environments.get(text) ?? parseEnvironmentFile(text);
  environments.set(text, made);
  return made;
}

function rotationOf(world: RotationWorld): Rotation {
  const { stage, settled } = world;
  const same = PEM[settled];
  const pems = stage === 'none' ? { old: same, both: same, new: same } : PEM;
  return { stage, ...pems, newCa: undefined, endedAt: undefined, changedAt: undefined };
}

function filesOf(world: RotationWorld, one: RotationHost): MemberFiles {
  const local = localTrust(world);
  const due = dueOn(world, one.host);
  const changed = ownIds(one.host).filter((id) => one.leaves.get(id) !== world.leaves.get(id));
  return {
    configuration: configuration(world.hosts.length, one.host, local),
    configurationDiffers: one.conf !== local,
    unitDiffers: false,
    unitIsNewer: false,
    otherDiffers: false,
    certificates: due.length > 0 ? [] : [...(one.file === local ? [] : ['/etc/etcd/cert/etcd-ca.pem']), ...changed],
    due,
    foreign: [],
    owner: 'etcd',
  };
}

const STAGES: Partial<Record<RotationStep, RotationStage>> = {
  make: 'made',
  'trust both': 'both, old signs',
  'sign by new': 'both, new signs',
  'trust new': 'new',
  'sign by old': 'both, old signs',
  'trust old': 'made',
};

/** What the world is after an action, or after a part of it. */
export function act(
  world: RotationWorld,
  action: RotateAction,
  part?: { hosts: number; how: 'issued' | 'sent' | 'written' | 'stopped' },
): RotationWorld {
  switch (action.do) {
    case 'authority':
      return action.steps.reduce(
        (now, step): RotationWorld => ({
          stage: STAGES[step] ?? 'none',
          settled: step === 'keep old' ? 'new' : now.settled,
          leaves: now.leaves,
          hosts: now.hosts,
          leader: now.leader,
        }),
        world,
      );
    case 'certificates': {
      const issued = new Map(world.leaves);
      const issue = action.hosts.flatMap((host) => dueOn(world, host));
      for (const id of part?.how === 'issued' ? issue.slice(0, part.hosts) : issue) issued.set(id, signer(world));
      const sent = part ? (part.how === 'issued' ? [] : action.hosts.slice(0, part.hosts)) : action.hosts;
      return change({ ...world, leaves: issued }, sent, (one) => ({
        file: localTrust(world),
        leaves: new Map(ownIds(one.host).map((id) => [id, issued.get(id)!])),
      }));
    }
    case 'files':
      return change(world, action.hosts, () => ({ conf: localTrust(world) }));
    case 'restart': {
      const written = change(world, [action.host], () => ({ conf: localTrust(world) }));
      if (part?.how === 'written') return written;
      if (part?.how === 'stopped') return change(written, [action.host], () => ({ running: undefined }));
      return change(written, [action.host], ({ file }) => ({ running: file }));
    }
    case 'move leader':
      return { ...world, leader: action.to };
    case 'all at once':
      return act(
        change(act(world, { do: 'certificates', hosts: action.hosts, issue: [] }), action.hosts, ({ file }) => ({
          conf: file,
          running: file,
        })),
        { do: 'files', hosts: [] },
      );
  }
}

function change(
  world: RotationWorld,
  hosts: readonly string[],
  how: (one: RotationHost) => Partial<RotationHost>,
): RotationWorld {
  return { ...world, hosts: world.hosts.map((one) => (hosts.includes(one.host) ? { ...one, ...how(one) } : one)) };
}

const trusts = (trust: Trust, ca: Ca) => trust === 'both' || trust === ca;

/** Who would be refused by whom in the next handshake. */
export function strangers(world: RotationWorld): string[] {
  const running = world.hosts.filter((one) => one.running);
  const local = localTrust(world);
  return running.flatMap((one) => {
    const by = (id: string) => one.leaves.get(id)!;
    const peers = running.filter((other) => !trusts(other.running!, by(`etcd-${one.host}-peer`)));
    const client = trusts(one.running!, world.leaves.get('client')!) ? [] : [`${one.host} refuses our client`];
    const server = trusts(local, by(`etcd-${one.host}-server`)) ? [] : [`we refuse ${one.host}`];
    return [...peers.map(({ host }) => `${host} refuses ${one.host}`), ...client, ...server];
  });
}

/** Everything is of one CA, everywhere. */
export function isSettled(world: RotationWorld, ca: Ca): boolean {
  return (
    world.stage === 'none' &&
    world.settled === ca &&
    [...world.leaves.values()].every((one) => one === ca) &&
    world.hosts.every(
      (one) =>
        one.file === ca && one.conf === ca && one.running === ca && [...one.leaves.values()].every((by) => by === ca),
    )
  );
}

export const words = (actions: readonly Planned<RotateAction>[]) => actions.map(({ action }) => JSON.stringify(action));
