import type { Connection } from '../connection/connection.ts';
import { RemoteCommandError, TunnelError } from '../connection/errors.ts';
import { PlayError, UnreachableError } from '../errors.ts';
import { type ClientIdentity, type MemberAddress, type MemberClient, openMember } from './client.ts';
import { isPublished, type Member, type MemberStatus } from './cluster.ts';
import { certificateFiles, configurationFile, releaseDirectory } from './configuration.ts';
import { type HostFacts, type ObserveRequest, observeScript, parseFacts } from './observe.ts';
import { askPeerView } from './peer-view.ts';
import type { ClockReading } from './preflight.ts';
import type { EtcdSettings } from './variables.ts';

/** How long a member that is being started may take to make its write-ahead log; and it is looked for so many times at least. */
const STARTING_MS = 10_000;
const LEAST_LOOKS = 10;

interface Look {
  facts: HostFacts;
  clock: ClockReading;
}

/**
 * Looks at a host, in one round trip. Where etcd is just being started and has no log yet it looks again: what is still
 * to come would be taken for lost, once the member is asked and answers. @throws UnreachableError.
 */
export async function lookAtHost(connection: Connection, settings: EtcdSettings): Promise<Look> {
  const deadline = performance.now() + STARTING_MS;
  let look = await lookOnce(connection, settings);
  for (let looks = 1; isJustStarting(look.facts) && (looks < LEAST_LOOKS || performance.now() < deadline); looks++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    look = await lookOnce(connection, settings);
  }
  return look;
}

function isJustStarting({ service, data }: HostFacts): boolean {
  return service.activeState === 'activating' && service.subState === 'start' && data.walFiles === 0;
}

async function lookOnce(connection: Connection, settings: EtcdSettings): Promise<Look> {
  const sentSeconds = Date.now() / 1000;
  const result = await connection.run(observeScript(observeRequest(settings)));
  const receivedSeconds = Date.now() / 1000;
  // What was not seen to the end must not be taken for absent.
  if (result.code !== 0) throw new RemoteCommandError('looking at the host', result, { next: 'Run again.' });
  const facts = parseFacts(result.stdout);
  const { clockSeconds } = facts;
  // The host read its clock at some moment between sending and receiving.
  const clock = {
    host: settings.host,
    earliest: clockSeconds - receivedSeconds,
    latest: clockSeconds - sentSeconds,
  };
  return { facts, clock };
}

function observeRequest(settings: EtcdSettings): ObserveRequest {
  return {
    dataDir: settings.dataDir,
    walDir: settings.walDir,
    confFile: configurationFile(settings),
    caFile: certificateFiles(settings).ca,
    releaseDir: releaseDirectory(settings),
    binary: `${settings.binDir}/etcd`,
  };
}

/** Where a member's client API is reached from its own host. */
export function clientAddress(settings: EtcdSettings): MemberAddress {
  return fromOwnHost(settings.listenClientUrls);
}

export function peerAddress(settings: EtcdSettings): MemberAddress {
  return fromOwnHost(settings.listenPeerUrls);
}

function fromOwnHost(listenUrls: readonly string[]): MemberAddress {
  const url = new URL(listenUrls[0]!);
  const bare = url.hostname.replace(/^\[|\]$/g, '');
  const address = bare === '0.0.0.0' ? '127.0.0.1' : bare === '::' ? '::1' : bare;
  // `localhost` stands in every member's certificate, whatever address it listens on.
  return { address, port: Number(url.port), serverName: 'localhost' };
}

export interface MemberAnswer {
  api?: { status: MemberStatus; members: Member[] } | undefined;
  /** What it says of itself: also where there is no quorum, and `api` is therefore missing. */
  status?: MemberStatus | undefined;
  peers?: Member[] | undefined;
  /** Open while the API answers; whoever asked closes it. */
  client?: MemberClient | undefined;
}

/** Asks a member by its client API, or, where that does not answer yet, by its peer address. Silence is an answer too. */
export async function askMember(
  connection: Connection,
  settings: EtcdSettings,
  identity: ClientIdentity,
  serving: boolean,
): Promise<MemberAnswer> {
  const spoken = serving ? await askClientApi(openMember(connection, clientAddress(settings), identity)) : {};
  if (spoken.api) return spoken;
  try {
    return { ...spoken, peers: await askPeerView(connection, peerAddress(settings), identity) };
  } catch (error) {
    // Where sshd forbids tunnels no member will ever answer: that must not look like silence.
    if (error instanceof UnreachableError || (error instanceof TunnelError && error.forbidden)) throw error;
    return spoken;
  }
}

/** A learner, and a member without a quorum, speak for themselves, but list no members. */
async function askClientApi(client: MemberClient): Promise<MemberAnswer> {
  const [status, members] = await Promise.allSettled([client.status(3_000), client.members(3_000)]);
  if (status.status === 'fulfilled') {
    const own = { status: status.value, client };
    return members.status === 'fulfilled' ? { ...own, api: { status: status.value, members: members.value } } : own;
  }
  client.close();
  if (status.reason instanceof UnreachableError) throw status.reason;
  return {};
}

const WAKING_MS = 30_000;

/**
 * Waits until a member that was just started answers at its peer address, and knows of a start of anyone. What it had
 * not noted as committed before it was stopped it learns from the next leader: if the members that were started are a
 * quorum, they elect one in the time that it is given. @throws PlayError when it stays silent.
 */
export async function untilPeerAnswers(
  connection: Connection,
  settings: EtcdSettings,
  identity: ClientIdentity,
  signal: AbortSignal,
): Promise<Member[]> {
  const deadline = performance.now() + WAKING_MS;
  let recalledBy: number | undefined;
  for (;;) {
    const { peers } = await askMember(connection, settings, identity, false);
    if (peers) {
      recalledBy ??= performance.now() + 3 * settings.electionTimeoutMs;
      if (signal.aborted || performance.now() > recalledBy || peers.some(isPublished)) return peers;
    } else if (signal.aborted) {
      throw new PlayError('etcd was started; the run was ended before it answered');
    } else if (performance.now() > deadline) {
      throw new PlayError(`etcd was started and has data, but does not answer on port ${settings.peerPort}`, {
        next: 'See there: journalctl -u etcd.service. An empty host is not filled before this one has spoken.',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
