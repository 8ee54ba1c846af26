import { statSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { copy, InputError, once, PlayError, play, playbook, step, task, variable } from 'etcd-play';
import {
  clientAddress,
  clusterReport,
  etcdVariables,
  identitiesIn,
  LiveCluster,
  localTools,
  type MemberApi,
  makeWorkFolder,
  openMemberApi,
  type ProvenBackup,
  type ProvenFile,
  planRestore,
  planText,
  prepareTasks,
  proveFile,
  proveMember,
  RestorePlaces,
  type RestorePlan,
  refusalError,
  restoreBeside,
  startEtcd,
  stopEtcd,
  swapBack,
  swapIn,
  takeSafetyBackup,
  tidy,
  timeStamp,
  untilMembersAgree,
  waitUntilReady,
} from 'etcd-play/etcd';

const FORMING_MS = 120_000;
const AGREEING_MS = 30_000;

async function readIdentities(file: string | undefined) {
  if (file === undefined) return [];
  const found = identitiesIn(await readFile(file, 'utf8'));
  if (found) return found;
  throw new InputError('this file holds no key of age', {
    file,
    next: 'It has a line AGE-SECRET-KEY-1…: play backups --new-key FILE makes one.',
  });
}

export default playbook({
  name: 'restore_etcd',
  description: 'bring a cluster back from a backup, on its own hosts or on new ones',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    snapshot: variable.path('The backup: packed or not, or a bare member/snap/db.', {
      section: 'Restore',
      otherwise: 'etcd_snapshot.db in LOCAL_ETCD_BACKUP_DIR: the newest verified one',
    }),
    identity: variable.path('The file with the key of age, where it is encrypted.', { section: 'Restore' }),
    safety: variable.flag('Take a backup of what runs now before it is stopped.', {
      section: 'Restore',
      default: true,
    }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run, { issue: true });
    const first = cluster.allSettings[0]!;
    const { certLocalDir, localBackupDir } = first;
    const folder = localBackupDir ?? join(run.inventoryDir, 'backups');
    const file = run.value('snapshot') ?? join(folder, 'etcd_snapshot.db');
    if (!statSync(file, { throwIfNoEntry: false })) {
      throw new InputError(`there is no backup ${file}`, {
        next: 'Name one: -e snapshot=FILE. play backups -i … lists what there is.',
      });
    }
    const identityFile = run.value('identity');
    const identities = await readIdentities(identityFile);
    const now = new Date();
    const stamp = timeStamp(now);
    const token = `${first.clusterToken}-restored-${stamp}`;
    const work = await makeWorkFolder(run.check ? dirname(resolve(file)) : folder);
    const apis = new Map<string, MemberApi>();
    const swapped = new Set<string>();
    let proven: ProvenFile | undefined;
    let revisionNow: bigint | undefined;
    let plan: Extract<RestorePlan, { kind: 'restore' }> | undefined;

    run.onEnd(async () => {
      for (const api of apis.values()) api.close();
      await rm(work, { recursive: true, force: true });
    });
    const places = (host: string) => new RestorePlaces(cluster.own(host), stamp);
    const members = run.allHosts.map((host) => {
      const { name, advertisePeerUrl } = cluster.own(host);
      return { name, peerUrl: advertisePeerUrl };
    });
    const backup = (): ProvenBackup => {
      const { manifest, database, restored, sums } = proven!;
      return {
        file,
        revision: BigInt(database.revision),
        keyCount: restored!.keyCount,
        sizeBytes: sums.sizeBytes,
        takenAt: manifest?.takenAt,
        cluster: manifest?.cluster,
      };
    };

    // Looking tells the version that runs, and so the programs to prove with.
    yield play('Look', {
      hosts: run.allHosts,
      tasks: [
        ...cluster.look(),
        step(
          'Revision is asked for',
          async ({ host, connect }) => {
            if (!cluster.answers.get(host)?.status) return { skipped: true };
            const api = await openMemberApi(await connect(), clientAddress(cluster.own(host)), cluster.identity);
            apis.set(host, api);
            const { revision } = await api.status();
            if (revisionNow === undefined || revision > revisionNow) revisionNow = revision;
            return { summary: String(revision) };
          },
          { check: 'run', when: ({ host }) => cluster.isSeen(host) },
        ),
      ],
    });

    yield play('Plan', {
      tasks: [
        once(
          'Backup is proven',
          async () => {
            const { version, releaseDir, releaseUrl } = cluster.allSettings[0]!;
            const { signal } = run;
            const toolsFor = () => localTools({ version, releaseDir, releaseUrl, signal });
            proven = await proveFile({
              path: resolve(file),
              identities,
              folder: work,
              toolsFor,
              withTrial: true,
              signal,
            });
            return { summary: `revision ${proven.database.revision}, ${proven.restored!.keyCount} keys` };
          },
          { check: 'run' },
        ),
        once(
          'Plan is made',
          () => {
            const sight = cluster.sight();
            const decided = planRestore({
              sight,
              allHosts: run.allHosts,
              limited: run.hosts,
              backup: backup(),
              version: cluster.allSettings[0]!.version,
              clusterToken: first.clusterToken,
              revisionNow,
              complaints: cluster.complaintsAbout(run.allHosts),
              ca: cluster.ca,
              certLocalDir,
              freeBytes: new Map(
                sight.hosts.map(({ host, facts, settings }) => [
                  host,
                  facts.disks.find(({ path }) => path === settings.dataDir)?.freeBytes ?? 0,
                ]),
              ),
              safety: run.value('safety'),
            });
            if (decided.kind === 'refused') throw refusalError(decided.refusals);
            plan = decided;
            for (const warning of plan.warnings) run.say(warning, 'warning');
            run.say(`\n${planText(plan.title, plan.steps)}`);
          },
          { check: 'run' },
        ),
      ],
    });
    if (run.check || !plan || !proven) return;
    await run.confirm(plan.confirm.question, plan.confirm.word);
    const { source, bump } = plan;
    const { plain, isBare } = proven;

    if (source) {
      yield play('Keep what runs now', {
        tasks: [
          once('Safety backup is taken', async () => {
            const own = cluster.own(source);
            const path = await takeSafetyBackup({
              host: source,
              settings: own,
              api: apis.get(source)!,
              folder,
              work,
              tools: proven!.tools,
              now,
              signal: run.signal,
            });
            return { changed: true, summary: path };
          }),
        ],
      });
    }

    yield play('Prepare', { tasks: prepareTasks(cluster, run.allHosts, members) });

    yield play('Restore beside', {
      tasks: [
        task('Snapshot is sent', ({ host }) => copy({ source: plain, path: places(host).snapshot, mode: 0o600 })),
        step('Snapshot is restored', async ({ host, connect }) => {
          const settings = cluster.own(host);
          await restoreBeside(await connect(), { settings, places: places(host), members, token, bump, isBare });
          return { changed: true };
        }),
      ],
    });

    // From here on there is an outage. Where anything fails, the old data go back and what ran before is started again.
    const ran = cluster
      .sight()
      .hosts.filter(({ facts }) => ['active', 'activating'].includes(facts.service.activeState));
    const goBack = async (error: unknown): Promise<never> => {
      const all = run.allHosts;
      await Promise.allSettled(all.map(async (host) => stopEtcd(await run.connect(host))));
      const back = await Promise.allSettled(
        [...swapped].map(async (host) => swapBack(await run.connect(host), places(host))),
      );
      await Promise.allSettled(all.map(async (host) => tidy(await run.connect(host), places(host))));
      await Promise.allSettled(ran.map(async ({ host }) => startEtcd(await run.connect(host))));
      const failed = back.filter(({ status }) => status === 'rejected').length;
      const cause = error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
      const what =
        failed > 0
          ? `On ${failed} hosts the old data could not be put back: they lie in ….bak-${stamp}.`
          : 'The old data were put back.';
      const started = ran.length > 0 ? ' What ran before was started again.' : '';
      throw new PlayError(cause.message, {
        details: cause.details,
        cause: error,
        next: `${what}${started} ${cause.next ?? ''}`.trim(),
      });
    };

    yield play('Swap', {
      tasks: [
        once('Data are swapped, and etcd is started', async () => {
          try {
            await Promise.all(run.allHosts.map(async (host) => stopEtcd(await run.connect(host))));
            await Promise.all(
              run.allHosts.map(async (host) => {
                swapped.add(host);
                await swapIn(await run.connect(host), places(host));
              }),
            );
            await Promise.all(run.allHosts.map(async (host) => startEtcd(await run.connect(host))));
            await Promise.all(
              run.allHosts.map(async (host) => waitUntilReady(await run.connect(host), FORMING_MS, run.signal)),
            );
            await cluster.lookAgain();
            await untilMembersAgree(
              new Map(cluster.answers),
              (host) => cluster.ask(host),
              AGREEING_MS,
              run.signal,
              run.allHosts.length,
            );
            await checkContent(run.allHosts[0]!);
          } catch (error) {
            await goBack(error);
          }
          return { changed: true, summary: ran.length > 0 ? `the old data are in ….bak-${stamp}` : '' };
        }),
      ],
    });

    yield play('Prove', {
      tasks: [
        once('Members take writes', async () => {
          const health = [];
          for (const host of run.allHosts) {
            health.push(await proveMember(cluster.own(host), cluster.client(host), { write: true }));
          }
          run.say(clusterReport(cluster.allSettings, cluster.answers, health));
        }),
      ],
    });

    /** The keys of the backup are there, and the revision is not behind it. */
    async function checkContent(host: string): Promise<void> {
      const api = await openMemberApi(await run.connect(host), clientAddress(cluster.own(host)), cluster.identity);
      try {
        const { revision } = await api.status();
        const keys = await api.keyCount(revision);
        const wanted = backup();
        // Clients may have written since; that keys are missing they cannot have wished so soon.
        if (keys < wanted.keyCount || revision < wanted.revision) {
          throw new PlayError(
            `the restored cluster has ${keys} keys at revision ${revision}, and the backup ${wanted.keyCount} at ${wanted.revision}`,
          );
        }
      } finally {
        api.close();
      }
    }
  },
});
