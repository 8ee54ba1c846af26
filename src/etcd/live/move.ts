import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError, UnreachableError } from '../../errors.ts';
import { type HostContext, once, type Play, play, step } from '../../runner/playbook.ts';
import { type MoveAction, type MoveRequest, sizeText } from '../plan/move.ts';
import { hasData } from '../plan/seen.ts';
import { startEtcd, waitUntilReady } from '../start.ts';
import { setAside, stopForGood } from './aside.ts';
import { certain } from './certain.ts';
import type { LiveCluster } from './cluster.ts';
import { type CopyResult, copyData, type End, sameLogs, sizeOf } from './data-copy.ts';
import {
  asidePlace,
  dropCopy,
  hold,
  mark,
  ownPlace,
  release,
  settle,
  unhold,
  unmark,
  unsettle,
} from './data-places.ts';
import { perform, startAndWait } from './perform.ts';

type Of<Do extends MoveAction['do']> = Extract<MoveAction, { do: Do }>;

/** The member of before is back within this time, or is said not to be. */
const BACK_MS = 120_000;

/** The play that makes one action of a move. */
export function performMove(cluster: LiveCluster, action: MoveAction): Play {
  switch (action.do) {
    case 'copy ahead':
      return on(action.to, `Data are copied ahead from ${action.from}`, (context) =>
        copyAhead(cluster, action, context),
      );
    case 'stop to move':
      return on(action.host, 'etcd is stopped and disabled', async ({ connect }) => {
        const connection = await connect();
        await mark(connection, cluster.own(action.host), action.id);
        await stopForGood(connection);
        return { changed: true };
      });
    case 'hold':
      return on(action.host, 'Data are held back', async ({ connect }) => {
        await hold(await connect(), cluster.own(action.host), action.id);
        return { changed: true };
      });
    case 'copy':
      return on(action.to, `Data are copied from ${action.from}`, (context) => copy(cluster, action, context));
    case 'update': {
      const name = `Member ${action.id} is at ${action.peerUrl}`;
      const made = async () => {
        await update(cluster, action.id, action.peerUrl);
        return { changed: true };
      };
      return play(name, { tasks: [once(name, made)] });
    }
    case 'start moved':
      return on(action.to, 'etcd is started on the new host', (context) => startMoved(cluster, action, context));
    case 'release':
      return on(action.host, 'Old data are kept aside', async ({ connect }) => {
        const connection = await connect();
        return { changed: true, summary: await release(connection, cluster.own(action.host), action.id) };
      });
    default:
      return perform(cluster, action);
  }
}

/** How much a move has to copy, and what of it lies on the new host already; undefined where that cannot be told yet. */
export async function measureMove(cluster: LiveCluster, from: string, to: string): Promise<MoveRequest['size']> {
  const [source, target] = [cluster.hosts.includes(from), cluster.hosts.includes(to)];
  if (!source || !target) return undefined;
  const seen = cluster.seen(from);
  const id = seen.facts.moves?.moving.find(({ held }) => held)?.id;
  const place =
    id === undefined || hasData(seen) ? ownPlace(cluster.own(from)) : asidePlace(cluster.own(from), 'moving', id);
  const size = await sizeOf({ connection: await cluster.run.connect(from), place });
  const arriving = cluster.seen(to).facts.moves?.arriving[0]?.id;
  if (arriving === undefined) return { ...size, thereBytes: 0 };
  const connection = await cluster.run.connect(to);
  const there = await sizeOf({ connection, place: asidePlace(cluster.own(to), 'arriving', arriving) });
  return { ...size, thereBytes: there.dataBytes + there.walBytes };
}

function on(
  host: string,
  name: string,
  run: (context: HostContext) => Promise<{ changed: boolean; summary?: string }>,
): Play {
  return play(name, { hosts: [host], tasks: [step(name, run)] });
}

async function update(cluster: LiveCluster, id: string, peerUrl: string): Promise<void> {
  const client = cluster.leaderClient();
  await certain(
    () => client.updateMember(id, peerUrl),
    async () => (await client.members()).some((one) => one.id === id && one.peerUrls.join() === peerUrl),
  );
}

const arrivingAt = (cluster: LiveCluster, { to, id }: { to: string; id: string }) =>
  asidePlace(cluster.own(to), 'arriving', id);

async function ends(
  cluster: LiveCluster,
  { from, to, id }: { from: string; to: string; id: string },
  held: boolean,
): Promise<{ source: End; copy: End }> {
  const [there, here] = await Promise.all([cluster.run.connect(to), cluster.run.connect(from)]);
  const settings = cluster.own(from);
  const place = held ? asidePlace(settings, 'moving', id) : ownPlace(settings);
  return { source: { connection: here, place }, copy: { connection: there, place: arrivingAt(cluster, { to, id }) } };
}

/** What changes while it is copied is copied again later; a file that has gone meanwhile is no reason to end. */
async function copyAhead(cluster: LiveCluster, action: Of<'copy ahead'>, { signal, progress }: HostContext) {
  const { source, copy } = await ends(cluster, action, false);
  const settings = cluster.own(action.to);
  await unsettle(copy.connection, settings, action.id);
  const done = await copyData(source, copy, { proven: false, signal, onProgress: progress });
  await noteAhead(copy.connection, `${settings.dataDir}/arriving-${action.id}/ahead`);
  return { changed: true, summary: amount(done) };
}

async function noteAhead(connection: Connection, file: string): Promise<void> {
  const result = await connection.run(`: >${quote(file)}`);
  if (result.code !== 0) throw new RemoteCommandError('noting the first copy', result, { next: 'Run again.' });
}

async function copy(cluster: LiveCluster, action: Of<'copy'>, { signal, progress }: HostContext) {
  const { source, copy: end } = await ends(cluster, action, true);
  const settings = cluster.own(action.to);
  await unsettle(end.connection, settings, action.id);
  const done = await copyData(source, end, { proven: true, signal, onProgress: progress });
  await settle(end.connection, settings, action.id);
  return { changed: true, summary: amount(done) };
}

function amount({ totalBytes, sentBytes, wireBytes }: CopyResult): string {
  return `${sizeText(totalBytes)}, ${sizeText(sentBytes)} sent as ${sizeText(wireBytes)}`;
}

/** Where it does not start, and has not begun to take part, the member goes back to the host that it came from. */
async function startMoved(cluster: LiveCluster, action: Of<'start moved'>, context: HostContext) {
  try {
    return await startAndWait(cluster, context);
  } catch (error) {
    if (cluster.run.signal.aborted || error instanceof UnreachableError) throw error;
    const words = error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
    const next = await goBack(cluster, action).catch(
      (why: Error) => `It could not go back (${why.message}): run again, and it goes on from where it stands.`,
    );
    throw new PlayError(words.message, {
      details: words.details,
      next: `${next} ${words.next ?? ''}`.trim(),
      cause: error,
    });
  }
}

async function goBack(cluster: LiveCluster, { from, to, id, small }: Of<'start moved'>): Promise<string> {
  const [here, there] = await Promise.all([cluster.run.connect(from), cluster.run.connect(to)]);
  const [old, own] = [cluster.own(from), cluster.own(to)];
  await stopForGood(there);
  const held = { connection: here, place: asidePlace(old, 'moving', id) };
  // A member that has voted, or taken a write, must not forget it (raft): what it had before would be its past.
  if (!(await sameLogs(held, { connection: there, place: ownPlace(own) }))) {
    return `It has taken part in the cluster from ${to} already, so it cannot go back to its data of before on ${from}. Put right what keeps it from starting on ${to}, then run again.`;
  }
  await setAside(there, own);
  await dropCopy(there, own, id);
  if (!small) {
    await cluster.lookAgain();
    await update(cluster, id, old.advertisePeerUrl);
  }
  await unhold(here, old, id);
  await enable(here);
  await startEtcd(here);
  await waitUntilReady(here, BACK_MS, cluster.run.signal);
  if (small) {
    await cluster.lookAgain();
    await update(cluster, id, old.advertisePeerUrl);
  }
  await unmark(here, old, id);
  return `The member went back to ${from}, and serves there again; the copy on ${to} was moved aside.`;
}

async function enable(connection: Connection): Promise<void> {
  const result = await connection.run('systemctl enable -q etcd.service');
  if (result.code !== 0) throw new RemoteCommandError('enabling etcd.service', result, { next: 'Enable it there.' });
}
