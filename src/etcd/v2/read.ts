import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { PlayError } from '../../errors.ts';
import type { ClientIdentity, MemberAddress } from '../client.ts';
import { askHttp } from '../http.ts';
import { hiddenNames, hiddenScript } from './hidden.ts';
import type { V2Reading } from './still.ts';
import { mergeTrees, readTree, type V2Tree } from './tree.ts';

/** Where v2 is read: one member that serves it, through the connection to its host. */
export interface V2Door {
  connection: Connection;
  address: MemberAddress;
  identity: ClientIdentity;
  snapDir: string;
  walDir: string;
}

/** Whether a member serves the v2 API, and to us. */
export type V2Service = 'on' | 'off' | 'locked';

const LONG_MS = 120_000;

export async function askService({
  connection,
  address,
  identity,
}: Omit<V2Door, 'snapDir' | 'walDir'>): Promise<V2Service> {
  const { status } = await askHttp(connection, address, identity, '/v2/keys');
  return status === 200 ? 'on' : status === 401 ? 'locked' : 'off';
}

/** Users of the v2 API, and whether they must log in. */
export async function askUsers({
  connection,
  address,
  identity,
}: V2Door): Promise<{ enabled: boolean; users: number }> {
  const { status, body } = await askHttp(connection, address, identity, '/v2/auth/enable');
  const enabled = status === 200 && (JSON.parse(body) as { enabled?: boolean }).enabled === true;
  const asked = await askHttp(connection, address, identity, '/v2/auth/users');
  const users =
    asked.status === 200 ? ((JSON.parse(asked.body) as { users?: unknown[] | null }).users?.length ?? 0) : 0;
  return { enabled, users };
}

/**
 * Reads all of v2, as a quorum has it. @param hidden names that are left out of lists, to be asked for one by one.
 * @param offsetMs how far the cluster's clock is ahead of ours.
 */
export async function readV2(door: V2Door, hidden: readonly string[], offsetMs: number): Promise<V2Reading> {
  const listed = await readAt(door, '/');
  const known: V2Tree[] = [];
  for (const name of hidden) {
    const found = await readAt(door, name);
    if (found) known.push(found.tree);
  }
  if (!listed) throw new PlayError('the v2 API does not list its keys', { host: door.connection.host });
  return { tree: mergeTrees(listed.tree, known), index: listed.index, atMs: Date.now() + offsetMs };
}

/** Undefined where there is no such key. */
async function readAt(door: V2Door, name: string): Promise<{ tree: V2Tree; index: number } | undefined> {
  const { connection, address, identity } = door;
  const path = `/v2/keys${name.split('/').map(encodeURIComponent).join('/')}?recursive=true&quorum=true`;
  const { status, body, headers } = await askHttp(connection, address, identity, path, LONG_MS);
  if (status === 404) return undefined;
  if (status !== 200) {
    throw new PlayError(`the v2 API does not give ${name}: ${body.trim() || `status ${status}`}`, {
      host: connection.host,
      next: 'See how the cluster stands: play status_etcd. Then run again.',
    });
  }
  return { tree: readTree(body), index: Number(headers['x-etcd-index'] ?? 0) };
}

const LOOKING_MS = 600_000;

/** Names of hidden keys that are there. */
export async function findHidden(door: V2Door): Promise<string[]> {
  const { connection, snapDir, walDir } = door;
  const found = await connection.run(hiddenScript(snapDir, walDir), { timeoutMs: LOOKING_MS });
  if (found.code !== 0) throw new RemoteCommandError('looking for hidden keys', found, { next: 'Run again.' });
  const names: string[] = [];
  for (const name of hiddenNames(found.stdout)) if (await readAt(door, name)) names.push(name);
  return names;
}

/** How far a host's clock is ahead of ours, within the time of a round trip. */
export async function clockOffsetMs(connection: Connection): Promise<number> {
  let best = { offsetMs: 0, tookMs: Number.POSITIVE_INFINITY };
  // A machine that stood still meanwhile gives a vague answer: of several the quickest counts.
  for (let tries = 0; tries < CLOCK_TRIES && best.tookMs > CLOCK_VAGUE_MS; tries++) {
    const sent = Date.now();
    const { stdout } = await connection.run('date +%s.%N');
    const tookMs = Date.now() - sent;
    if (tookMs < best.tookMs) best = { offsetMs: Number(stdout.trim()) * 1000 - (sent + tookMs / 2), tookMs };
  }
  return best.offsetMs;
}

const CLOCK_TRIES = 5;
const CLOCK_VAGUE_MS = 500;
