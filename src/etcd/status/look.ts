import { X509Certificate } from 'node:crypto';
import { PlayError, UnreachableError } from '../../errors.ts';
import { certificateBlocks } from '../../pki/certificate.ts';
import { inspectPki } from '../../pki/store.ts';
import { once, type Play, play, step, type Task } from '../../runner/playbook.ts';
import { CLIENT_ID, peerId, pkiRequest, serverId } from '../certificates.ts';
import type { MemberClient } from '../client.ts';
import type { Alarm } from '../cluster.ts';
import type { LiveCluster } from '../live/cluster.ts';
import { assess } from '../plan/sight.ts';
import type { EndpointHealth } from '../tables.ts';
import { type CertificateSight, lookAtCertificates } from './certificates.ts';
import { judgeStatus } from './judge.ts';
import type { Problem } from './problem.ts';
import type { StatusSight } from './sight.ts';

const HEALTH_MS = 3_000;
/** One that etcdctl's health check asks for, too: it need not be there. */
const HEALTH_KEY = 'health';

/** Looks at a whole cluster from the outside, changes nothing, and fails on nothing that it is there to tell of. */
export async function* lookAtStatus(
  cluster: LiveCluster,
  { warnDays, show }: { warnDays: number | undefined; show(sight: StatusSight, problems: Problem[]): void },
): AsyncGenerator<Play, Problem[]> {
  const { run } = cluster;
  const wantedVersion = cluster.allSettings[0]!.version;
  const health = new Map<string, EndpointHealth>();
  const certificates = new Map<string, CertificateSight[]>();
  let alarms: readonly Alarm[] = [];
  let problems: Problem[] = [];
  const unseen = new Map<string, PlayError>();
  yield play('Look', {
    hosts: run.allHosts,
    tasks: cluster.look({ asItIs: true }).map((task) => noting(task, unseen)),
  });
  yield play('Ask', {
    hosts: cluster.hosts,
    tasks: [
      step(
        'Member is asked',
        async ({ host, connect }) => {
          const { client } = cluster.answers.get(host) ?? {};
          const runs = cluster.seen(host).facts.running !== undefined;
          const settings = cluster.own(host);
          // By itself, so that its time is its own.
          const learner = cluster.seen(host).status?.isLearner;
          const answer = client && (await healthOf(client, settings.advertiseClientUrls[0]!, learner));
          try {
            certificates.set(host, await lookAtCertificates(await connect(), settings, cluster.identity, runs));
          } catch (error) {
            // It was there a moment ago.
            if (!(error instanceof UnreachableError)) throw error;
            unseen.set(host, error);
          }
          if (!answer) return { summary: 'no answer' };
          health.set(host, answer);
          return { summary: answer.healthy ? `${answer.tookMs.toFixed(1)} ms` : answer.error };
        },
        { check: 'run' },
      ),
      once(
        'Alarms are asked for',
        async () => {
          alarms = await alarmsOf(cluster);
        },
        { check: 'run' },
      ),
    ],
  });
  yield play('Judge', {
    hosts: [],
    tasks: [
      once(
        'Cluster is judged',
        async () => {
          const { hosts, lost } = cluster.sight();
          const odd = [...unseen].filter(([host]) => !hosts.some((seen) => seen.host === host));
          const away = odd.map(([host, { message }]) => ({ host, settings: cluster.own(host), reason: message }));
          const state = assess({ hosts, lost: [...lost, ...away] });
          const sight: StatusSight = {
            state,
            now: new Date(),
            wantedVersion,
            health,
            alarms,
            certificates: run.allHosts.flatMap((host) => certificates.get(host) ?? []),
            due: await dueCertificates(cluster),
            authorities: certificateBlocks(cluster.ca).map((block) => new X509Certificate(block)),
            caPem: cluster.ca,
            warnDays,
            unseen,
            clocks: cluster.complaintsAbout([]),
          };
          problems = judgeStatus(sight);
          show(sight, problems);
        },
        { check: 'run' },
      ),
    ],
  });
  return problems;
}

/** A host that could be reached and not looked at, for want of rights perhaps, is one more thing that is not well. */
function noting(task: Task, unseen: Map<string, PlayError>): Task {
  if (task.kind !== 'host') return task;
  const run: typeof task.run = async (context) => {
    try {
      return await task.run(context);
    } catch (error) {
      if (!(error instanceof PlayError)) throw error;
      unseen.set(context.host, error);
      return { summary: 'it could not be looked at' };
    }
  };
  return { ...task, run };
}

async function healthOf(client: MemberClient, endpoint: string, isLearner = false): Promise<EndpointHealth> {
  const started = performance.now();
  try {
    // A learner answers no reads that the quorum must agree to.
    await (isLearner ? client.status(HEALTH_MS) : client.read(HEALTH_KEY, HEALTH_MS));
    return { endpoint, healthy: true, tookMs: performance.now() - started, error: '' };
  } catch (error) {
    return { endpoint, healthy: false, tookMs: performance.now() - started, error: (error as Error).message };
  }
}

/** As the quorum knows them; without one each member tells of those that it knows. */
async function alarmsOf(cluster: LiveCluster): Promise<Alarm[]> {
  for (const { host } of cluster.state().serving) {
    try {
      return await cluster.client(host!).alarms(HEALTH_MS);
    } catch {
      // The next one may do better.
    }
  }
  const words = cluster.state().members.flatMap(({ status }) => status?.errors ?? []);
  const told = words.flatMap((word) => [...word.matchAll(/memberID:\s*(\d+)\s+alarm:\s*(\w+)/g)]);
  const alarms = told.map(([, id, kind]) => ({ memberId: BigInt(id!).toString(16), kind: kind! }));
  return [...new Map(alarms.map((one) => [`${one.memberId} ${one.kind}`, one])).values()];
}

/** Nobody's certificate would be younger than this: what is due all the same is due for another reason than age. */
const SHORT_MS = 60_000;

async function dueCertificates(cluster: LiveCluster): Promise<Map<string, string>> {
  const due = new Map<string, string>();
  const members = cluster.hosts.map((host) => ({
    settings: cluster.own(host),
    hostName: cluster.seen(host).facts.hostName,
  }));
  if (members.length === 0) return due;
  const { leaves } = await inspectPki({ ...pkiRequest(members), lifetimeMs: SHORT_MS, mayHaveEnded: true });
  const reasons = new Map(leaves.flatMap(({ id, action, reason = '' }) => (action === 'keep' ? [] : [[id, reason]])));
  for (const { settings } of members) {
    const ids = { server: serverId(settings.name), peer: peerId(settings.name), client: CLIENT_ID };
    for (const [kind, id] of Object.entries(ids)) {
      const reason = reasons.get(id);
      if (reason !== undefined) due.set(`${settings.host} ${kind}`, reason);
    }
  }
  return due;
}
