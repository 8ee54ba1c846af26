import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PlayError } from '../../errors.ts';
import type { ClientIdentity } from '../client.ts';
import { type KeyHash, type MemberApi, memberApi } from '../grpc/member.ts';
import { secureSession, sessionOver } from '../grpc/session.ts';
import { lastWords, runHere, toolEnvironment } from './command.ts';
import type { DatabaseFacts } from './database.ts';
import { DiskError } from './on-disk.ts';
import type { EtcdTools } from './tools.ts';
import { readWriting } from './writing.ts';

/** What a restored copy says of itself. */
export interface RestoredFacts extends KeyHash {
  revision: bigint;
  keyCount: bigint;
}

const STARTING_MS = 300_000;

export interface TrialRequest {
  tools: EtcdTools;
  /** The snapshot, unpacked. */
  file: string;
  /** A folder on a disk with room for a copy. */
  folder: string;
  /** The bolt check, which goes on beside the restore; etcd is started on what it finds good. */
  checking: Promise<DatabaseFacts>;
  /** What the asked member has compacted since: hashes can be compared only behind the same compaction. */
  compactedTo?: Promise<bigint> | undefined;
  /** A database file that was copied, with no sum at its end. */
  isBare?: boolean | undefined;
  signal: AbortSignal;
}

/**
 * Restores a snapshot into a throw-away directory, starts etcd on it and asks it. It listens on sockets in a folder of its
 * own and on no port, it hears of no other member, and it ends with this process, however that ends.
 * @throws what the check throws; PlayError where the snapshot cannot be restored or the copy does not start.
 */
export async function tryRestore(request: TrialRequest): Promise<RestoredFacts> {
  const { tools, folder, compactedTo, signal } = request;
  const data = join(folder, 'restored');
  try {
    const { revision } = await checkedBeside(request, data);
    const asked = compactedTo ?? -1n;
    return await whileRunning({ tools, data, signal }, async (api) => factsOf(api, revision, await asked));
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

export interface RunningRequest {
  tools: EtcdTools;
  /** A data directory of this machine, which nobody else needs. */
  data: string;
  /** What etcd is told beside that it is alone. */
  flags?: Readonly<Record<string, string>>;
  signal: AbortSignal;
}

/** Has etcd run on data of this machine for as long as they are asked. @throws PlayError where it does not start on them. */
export async function whileRunning<T>(
  { tools, data, flags = {}, signal }: RunningRequest,
  ask: (api: MemberApi, socketPath: string) => Promise<T>,
): Promise<T> {
  // A path to a socket may be a hundred bytes long, and those of backups may be longer.
  const sockets = await mkdtemp(join(tmpdir(), 'play-trial-'));
  try {
    const { isGuarded } = await readWriting(join(data, 'member', 'snap', 'db'));
    const identity = isGuarded ? await madeIdentity(sockets) : undefined;
    const etcd = startEtcd(tools, data, sockets, isGuarded, flags);
    try {
      const api = await answering(etcd, join(sockets, CLIENT), identity, signal);
      try {
        return await ask(api, join(sockets, CLIENT));
      } finally {
        api.close();
      }
    } finally {
      await etcd.stop();
    }
  } finally {
    await rm(sockets, { recursive: true, force: true });
  }
}

/**
 * Where users must log in, the copy knows them too. It trusts a CA made for this one trial, whose one certificate is that of
 * `root`, without whom etcd lets nobody switch that on: so no key of the cluster is needed to look into its backup.
 */
async function madeIdentity(folder: string): Promise<ClientIdentity> {
  const { ensurePki } = await import('../../pki/store.ts');
  const { caPem, pairs } = await ensurePki({
    dir: folder,
    keyAlgorithm: 'ecdsa-p256',
    lifetimeMs: 86_400_000,
    caCommonName: 'trial',
    wishes: [{ id: ROOT, commonName: 'root', usage: ['server', 'client'], sans: { dns: ['localhost'], ip: [] } }],
  });
  return { caPem, ...pairs.get(ROOT)! };
}

const ROOT = 'root';

async function factsOf(api: MemberApi, revision: bigint, compactedTo: bigint): Promise<RestoredFacts> {
  const [status, keyCount] = [await api.status(), await api.keyCount(revision)];
  let found = await api.keyHash(revision);
  if (found.compactRevision < compactedTo && compactedTo <= revision) {
    await api.compact(compactedTo);
    found = await api.keyHash(revision);
  }
  return { ...found, revision: status.revision, keyCount };
}

const ROOM = 'Make room there, or set LOCAL_ETCD_BACKUP_DIR to another disk. -e verify=database needs no copy.';
const PEER_URL = 'http://localhost:2380';
/** `host:port` to etcd, a file name to the system: all versions take it so. */
const CLIENT = 'client:1';

/** Both read all of the snapshot, and each has a processor of its own. */
async function checkedBeside({ checking, signal, ...request }: TrialRequest, data: string): Promise<DatabaseFacts> {
  const bad = new AbortController();
  const restoring = restore({ ...request, signal: AbortSignal.any([signal, bad.signal]) }, data);
  restoring.catch(() => undefined);
  try {
    const facts = await checking;
    await restoring;
    return facts;
  } catch (error) {
    bad.abort();
    // Nothing of it may come after what is removed.
    await restoring.catch(() => undefined);
    throw error;
  }
}

async function restore(
  { tools, file, isBare, signal }: Pick<TrialRequest, 'tools' | 'file' | 'isBare' | 'signal'>,
  data: string,
): Promise<void> {
  const member = [
    '--name',
    'trial',
    '--initial-cluster',
    `trial=${PEER_URL}`,
    '--initial-advertise-peer-urls',
    PEER_URL,
    ...(isBare ? ['--skip-hash-check'] : []),
  ];
  const said = await runHere(tools.snapshot, ['snapshot', 'restore', file, '--data-dir', data, ...member], signal);
  if (said.code === 0) return;
  const words = lastWords(said);
  if (isFull(`${said.stdout}${said.stderr}`)) throw notFitting(data);
  throw new PlayError(`the snapshot cannot be restored: ${words}`);
}

/** The trial's own trouble, which says nothing against the snapshot. */
function isFull(words: string): boolean {
  return /no space left|disk quota/i.test(words);
}

function notFitting(data: string): DiskError {
  return new DiskError(`${data}: the trial copy does not fit: the disk of this machine is full`, { next: ROOM });
}

interface RunningEtcd {
  child: ChildProcess;
  data: string;
  /** The end of all that it said. */
  said(): string;
  stop(): Promise<void>;
}

/**
 * A shell between us and etcd kills it when our end of its input is closed: that happens whatever becomes of this process.
 */
const KEEPER =
  'exec 3<&0; "$@" </dev/null 3<&- & p=$!; { cat <&3 >/dev/null; kill -9 $p; } 2>/dev/null & wait $p; kill $! 2>/dev/null';

function startEtcd(
  tools: EtcdTools,
  data: string,
  sockets: string,
  isGuarded: boolean,
  more: Readonly<Record<string, string>>,
): RunningEtcd {
  const flags = {
    name: 'trial',
    'data-dir': data,
    'listen-client-urls': `${isGuarded ? 'unixs' : 'unix'}://${CLIENT}`,
    'advertise-client-urls': 'http://localhost:2379',
    ...(isGuarded && {
      'client-cert-auth': 'true',
      'trusted-ca-file': 'ca.pem',
      'cert-file': `${ROOT}.pem`,
      'key-file': `${ROOT}-key.pem`,
    }),
    'listen-peer-urls': 'unix://peer:1',
    'initial-advertise-peer-urls': PEER_URL,
    'initial-cluster': `trial=${PEER_URL}`,
    // It is alone: it may elect itself at once.
    'heartbeat-interval': '10',
    'election-timeout': '50',
    'quota-backend-bytes': String(2 ** 40),
    ...more,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const child = spawn('/bin/sh', ['-c', KEEPER, 'trial', tools.etcd, ...args], {
    cwd: sockets,
    env: toolEnvironment(),
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    words = `${words}${chunk}`.slice(-4_000);
  });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  return {
    child,
    data,
    said: () => words.trim(),
    stop() {
      child.stdin.on('error', () => undefined).destroy();
      return ended;
    },
  };
}

/** Asks until it answers: opening gigabytes takes its time. */
async function answering(
  etcd: RunningEtcd,
  socketPath: string,
  identity: ClientIdentity | undefined,
  signal: AbortSignal,
): Promise<MemberApi> {
  const deadline = performance.now() + STARTING_MS;
  for (;;) {
    if (signal.aborted) throw new PlayError('the run was ended');
    const { exitCode, signalCode } = etcd.child;
    if (exitCode !== null || signalCode !== null) {
      if (isFull(etcd.said())) throw notFitting(etcd.data);
      throw new PlayError(`etcd does not start on the restored copy: ${etcd.said().split('\n').at(-1)}`);
    }
    if (performance.now() > deadline) throw new PlayError('etcd does not answer on the restored copy');
    const api = await firstAnswer(socketPath, identity);
    if (api) return api;
    await sleep(50);
  }
}

async function firstAnswer(socketPath: string, identity?: ClientIdentity): Promise<MemberApi | undefined> {
  const socket = await new Promise<Socket | undefined>((resolve) => {
    const opening = connect(socketPath);
    opening.once('connect', () => resolve(opening)).once('error', () => resolve(undefined));
  });
  if (!socket) return undefined;
  const name = 'the restored copy';
  const session = identity
    ? await secureSession(socket, name, 'localhost', identity).catch(() => undefined)
    : sessionOver(socket, name);
  if (!session) return undefined;
  const api = memberApi(session);
  try {
    // Behind an election: before it nothing can be compacted.
    if ((await api.status()).leaderId !== undefined) return api;
  } catch {
    // It is still opening its data.
  }
  api.close();
  return undefined;
}
