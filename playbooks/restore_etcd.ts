import { statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { InputError, once, play, playbook, step, UnreachableError, variable } from 'etcd-play';
import {
  clientAddress,
  etcdVariables,
  freeForData,
  knowsV2,
  LiveCluster,
  localTools,
  makeWorkFolder,
  openMemberApi,
  openV2,
  type ProvenBackup,
  type ProvenFile,
  planRestore,
  planText,
  proveFile,
  type RestorePlan,
  readIdentities,
  refusalError,
  removeWorkFolder,
  restoreOn,
  servesV2,
  takeSafetyBackup,
  type V2Node,
  v2GetFrom,
  v2State,
} from 'etcd-play/etcd';

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
    v2: variable.flag('Put back what the backup has of the v2 API.', { section: 'Restore', default: true }),
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
    const work = await makeWorkFolder(run.check ? dirname(resolve(file)) : folder);
    let proven: ProvenFile | undefined;
    let revisionNow: bigint | undefined;
    let v2: V2Node | undefined;
    const v2Now = new Set<string>();
    const v2Untold = new Set<string>();
    let plan: Extract<RestorePlan, { kind: 'restore' }> | undefined;

    run.onEnd(() => removeWorkFolder(work));
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
          'What it holds is asked for',
          async ({ host }) => {
            const { status } = cluster.answers.get(host) ?? {};
            if (!status) return { skipped: true };
            const { revision } = status;
            if (revisionNow === undefined || revision > revisionNow) revisionNow = revision;
            try {
              if (await holdsV2(host)) v2Now.add(host);
              return { summary: `revision ${revision}` };
            } catch (error) {
              if (error instanceof UnreachableError) throw error;
              // It may be what the restore is for. Who gives the safety backup is asked once more.
              v2Untold.add(host);
              return { summary: `revision ${revision}; ${(error as Error).message}` };
            }
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
            const part = run.value('v2') && isV2Served() ? proven.manifest?.v2 : undefined;
            const { tools } = proven;
            v2 = part && (await openV2({ path: resolve(file), part, identities, folder: work, tools, signal }));
            const more = part ? `, ${part.facts?.keys ?? 'unknown'} keys of the v2 API` : '';
            return { summary: `revision ${proven.database.revision}, ${proven.restored!.keyCount} keys${more}` };
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
              freeBytes: freeForData(sight),
              safety: run.value('safety'),
              v2: v2Sight(),
              v2Now: run.allHosts.filter((host) => v2Now.has(host)),
              v2Untold: run.allHosts.filter((host) => v2Untold.has(host)),
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
    const { source } = plan;

    if (source) {
      yield play('Keep what runs now', {
        tasks: [
          once('Safety backup is taken', async () => {
            const connection = await run.connect(source);
            const api = await openMemberApi(connection, clientAddress(cluster.listening(source)), cluster.identity);
            try {
              const path = await takeSafetyBackup({
                host: source,
                settings: cluster.own(source),
                api,
                folder,
                work,
                tools: proven!.tools,
                now,
                v2: (await holdsV2(source)) ? { connection, get: await v2Get(source) } : undefined,
                signal: run.signal,
              });
              return { changed: true, summary: path };
            } finally {
              api.close();
            }
          }),
        ],
      });
    }

    yield* restoreOn(cluster, {
      hosts: run.allHosts,
      plain: proven.plain,
      isBare: proven.isBare,
      bump: plan.bump,
      keyCount: backup().keyCount,
      revision: backup().revision,
      v2,
    });

    async function v2Get(host: string) {
      return v2GetFrom(await run.connect(host), clientAddress(cluster.listening(host)), cluster.identity);
    }

    /** @throws PlayError where its v2 API gives no answer. */
    async function holdsV2(host: string): Promise<boolean> {
      if (!knowsV2(cluster.answers.get(host)!.status!.version)) return false;
      return ['content', 'locked'].includes(await v2State(await v2Get(host)));
    }

    function isV2Served(): boolean {
      return cluster.allSettings.every(({ version, enableV2 }) => servesV2(version, enableV2));
    }

    function v2Sight() {
      const part = proven?.manifest?.v2;
      return part && { keys: part.facts?.keys, isServed: isV2Served(), isWanted: run.value('v2') };
    }
  },
});
