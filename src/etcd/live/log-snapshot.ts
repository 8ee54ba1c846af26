import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import type { HostContext } from '../../runner/playbook.ts';
import { openMemberApi } from '../grpc/member.ts';
import { clientAddress } from '../look.ts';
import { mayNotReadLog } from '../plan/version-steps.ts';
import type { LiveCluster } from './cluster.ts';

/** Asked at a time; etcd refuses more than 5000 that it has not applied (maxGapBetweenApplyAndCommitIndex). */
const BATCH = 200;
/** etcd 3.6 writes a snapshot after 10,000 entries where nothing else is set (DefaultSnapshotCount). */
const MOST_ENTRIES = 150_000;
const WITHIN_MS = 180_000;

/** Up to where the log of a cluster may hold what 3.5 wrote, once it was asked in a run. */
const floors = new WeakMap<LiveCluster, bigint>();

/**
 * etcd 3.7 reads a member's log from its newest snapshot on, and panics at what members of 3.5 write there when they start
 * (server/etcdserver/apply/apply.go of 3.7, `publish` of 3.5): the log of a member of 3.6 may still hold that. So each gets
 * a snapshot that lies behind all of it, by entries that change nothing, until one is due: alarms are asked for through
 * the log. Gives what was done; undefined where nothing was needed.
 */
export async function leaveOldLogBehind(
  cluster: LiveCluster,
  { host, connect, signal }: HostContext,
  { from, to }: { from: string | undefined; to: string },
): Promise<string | undefined> {
  if (!mayNotReadLog(from, to)) return undefined;
  const { leader, serving } = cluster.state();
  const asked = leader?.host ?? serving[0]?.host;
  if (asked === undefined) return undefined;
  const api = await openMemberApi(
    await cluster.run.connect(asked),
    clientAddress(cluster.listening(asked)),
    cluster.identity,
  );
  try {
    const floor = floors.get(cluster) ?? BigInt((await api.status()).raftIndex);
    floors.set(cluster, floor);
    const connection = await connect();
    const newest = async () => {
      const { stdout } = await connection.run(newestSnapshot(cluster.own(host).dataDir));
      return stdout.trim() === '' ? 0n : BigInt(`0x${stdout.trim()}`);
    };
    const deadline = performance.now() + WITHIN_MS;
    let entries = 0;
    while ((await newest()) < floor) {
      if (signal.aborted || entries >= MOST_ENTRIES || performance.now() > deadline) {
        throw new PlayError(
          `no snapshot of its log was written after ${entries} entries, and etcd ${to} may not read it`,
          {
            next: 'Set ETCD_SNAPSHOT_COUNT to 10000 or less (play reload_etcd), then run again.',
          },
        );
      }
      for (let batch = 0; batch < 5; batch++) {
        await Promise.all(Array.from({ length: BATCH }, () => api.alarms()));
        entries += BATCH;
      }
    }
    return entries === 0 ? undefined : `${entries} empty entries`;
  } finally {
    api.close();
  }
}

/** Prints the index of the newest snapshot of a member's log, in hexadecimal digits; nothing where there is none. */
function newestSnapshot(dataDir: string): string {
  const name = 's/^[0-9a-f]\\{16\\}-\\([0-9a-f]\\{16\\}\\)\\.snap$/\\1/p';
  return `ls ${quote(`${dataDir}/member/snap`)} 2>/dev/null | sed -n '${name}' | sort | tail -n 1`;
}
