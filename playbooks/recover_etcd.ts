import { join, resolve } from 'node:path';
import { InputError, once, play, playbook, step, variable } from 'etcd-play';
import {
  type BackupChoice,
  backupChoice,
  beginAnew,
  type EtcdTools,
  etcdVariables,
  findBackups,
  finishRestore,
  freeForData,
  freeTime,
  type HostData,
  hasData,
  isRunning,
  joinAll,
  LiveCluster,
  localTools,
  lookAtData,
  type Manifest,
  makeWorkFolder,
  openV2,
  planRecover,
  planText,
  proveFile,
  type RecoverPlan,
  readIdentities,
  refusalError,
  refuseV2,
  removeWorkFolder,
  restoreOn,
  servesV2,
  type V2Node,
} from 'etcd-play/etcd';

export default playbook({
  name: 'recover_etcd',
  description: 'bring a cluster back that has lost its quorum, from the best data that are left or from a backup',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    from: variable.text('The host whose data the new cluster begins with.', {
      section: 'Recover',
      otherwise: 'the one that has come furthest',
    }),
    snapshot: variable.path('A backup in place of the data that are left: packed or not, or a bare member/snap/db.', {
      section: 'Recover',
      otherwise: 'where no data are left: the newest verified one in LOCAL_ETCD_BACKUP_DIR',
    }),
    identity: variable.path('The file with the key of age, where the backup is encrypted.', { section: 'Recover' }),
    v2: variable.flag('Put back what the backup has of the v2 API.', { section: 'Recover', default: true }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run, { issue: true });
    const { clusterToken, certLocalDir, localBackupDir } = cluster.allSettings[0]!;
    const folder = localBackupDir ?? join(run.inventoryDir, 'backups');
    const [from, snapshot] = [run.value('from'), run.value('snapshot')];
    if (from !== undefined && snapshot !== undefined) {
      throw new InputError('from and snapshot are both given', { next: 'Choose one of them.' });
    }
    const identities = await readIdentities(run.value('identity'));
    const backup: BackupChoice | undefined = await backupChoice(folder, snapshot, clusterToken);
    const data = new Map<string, HostData>();
    let quorumBy: string | undefined;
    let plan: Exclude<RecoverPlan, { kind: 'refused' }> | undefined;

    yield play('Look', {
      hosts: run.allHosts,
      tasks: [
        ...cluster.look(),
        step(
          'Data are looked at',
          async ({ host, connect }) => {
            const seen = cluster.seen(host);
            if (!hasData(seen)) return { skipped: true };
            const found = await lookAtData(await connect(), cluster.own(host), isRunning(seen));
            if (!found) return { skipped: true };
            const { status } = cluster.answers.get(host) ?? {};
            // What it has noted last reaches the disk with the next entry only.
            const known = status?.raftIndex ?? 0n;
            const committed = known > found.committed ? known : found.committed;
            data.set(host, { ...found, committed, revision: found.revision ?? status?.revision });
            return { summary: `term ${found.term}, index ${found.index}, committed ${committed}` };
          },
          { check: 'run', when: ({ host }) => cluster.isSeen(host) },
        ),
        step(
          'Quorum is asked for',
          async ({ host }) => {
            const { client, status } = cluster.answers.get(host) ?? {};
            if (!client) return { skipped: true };
            if (status?.leaderId === undefined) return { summary: 'it knows of no leader' };
            try {
              await client.read('etcd-play/quorum', 3_000);
              quorumBy = host;
              return { summary: 'there is one' };
            } catch {
              return { summary: 'none' };
            }
          },
          { check: 'run', when: ({ host }) => cluster.isSeen(host) },
        ),
      ],
    });

    yield play('Plan', {
      tasks: [
        once(
          'Plan is made',
          () => {
            const sight = cluster.sight();
            const decided = planRecover({
              sight,
              allHosts: run.allHosts,
              limited: run.hosts,
              data,
              quorumBy,
              from,
              backup,
              complaints: cluster.complaintsAbout(run.allHosts),
              ca: cluster.ca,
              certLocalDir,
              freeBytes: freeForData(sight),
              version: cluster.allSettings[0]!.version,
              clusterToken,
            });
            if (decided.kind !== 'rejoin' && decided.kind !== 'finish' && quorumBy === undefined)
              run.say(`\n${decided.choices}`);
            if (decided.kind === 'refused') throw refusalError(decided.refusals);
            plan = decided;
            if (plan.kind === 'rebuild') for (const warning of plan.warnings) run.say(warning, 'warning');
            run.say(`\n${planText(plan.title, plan.steps)}`);
          },
          { check: 'run' },
        ),
      ],
    });
    if (run.check || !plan) return;
    if (plan.kind === 'rejoin') {
      yield* joinAll(cluster, { first: plan.host, stamp: plan.stamp, hosts: plan.joining });
      return;
    }
    if (plan.kind === 'finish') {
      yield* finishRestore(cluster, { ...plan, v2: await v2Of(plan.file) });
      return;
    }
    const { way, members, confirm } = plan;
    await run.confirm(confirm.question, confirm.word);
    if (way.by === 'data') {
      const connection = await run.connect(way.host);
      const begun = way.stamp ?? (await freeTime([{ connection, settings: cluster.own(way.host) }]));
      yield* beginAnew(cluster, { host: way.host, stamp: begun, isKept: way.stamp !== undefined, pairs: plan.pairs });
      yield* joinAll(cluster, { first: way.host, stamp: begun, hosts: members.slice(1) });
      return;
    }

    const work = await makeWorkFolder(folder);
    run.onEnd(() => removeWorkFolder(work));
    let proven: Awaited<ReturnType<typeof proveFile>> | undefined;
    let v2: V2Node | undefined;
    yield play('Prove the backup', {
      tasks: [
        once('Backup is proven', async () => {
          const { version, releaseDir, releaseUrl } = cluster.allSettings[0]!;
          const toolsFor = () => localTools({ version, releaseDir, releaseUrl, signal: run.signal });
          const path = resolve(way.file);
          proven = await proveFile({ path, identities, folder: work, toolsFor, withTrial: true, signal: run.signal });
          const { tools, manifest } = proven;
          v2 = await openOwnV2(path, manifest?.v2, work, tools);
          return { summary: `revision ${proven.database.revision}, ${proven.restored!.keyCount} keys` };
        }),
      ],
    });
    const { plain, isBare, database, restored } = proven!;
    const { keyCount } = restored!;
    yield* restoreOn(cluster, {
      hosts: members,
      plain,
      isBare,
      bump: way.bump,
      keyCount,
      revision: BigInt(database.revision),
      markAs: backup?.name,
      v2,
    });

    /** @throws PlayError where it cannot be put back. */
    async function openOwnV2(path: string, part: Manifest['v2'], work: string, tools: EtcdTools) {
      if (!part) return undefined;
      const isServed = cluster.allSettings.every(({ version, enableV2 }) => servesV2(version, enableV2));
      const sight = { keys: part.facts?.keys, isServed, isWanted: run.value('v2') };
      const refusals = refuseV2(sight, cluster.allSettings[0]!.version);
      if (refusals.length > 0) throw refusalError(refusals);
      if (!sight.isWanted) return undefined;
      return openV2({ path, part, identities, folder: work, tools, signal: run.signal });
    }

    /** What a backup that was restored by an earlier run has of the v2 API, where it is still there. */
    async function v2Of(name: string) {
      const known = (await findBackups(folder)).find((one) => one.name === name);
      if (!known?.manifest?.v2) return undefined;
      const { version, releaseDir, releaseUrl } = cluster.allSettings[0]!;
      const work = await makeWorkFolder(folder);
      run.onEnd(() => removeWorkFolder(work));
      const tools = await localTools({ version, releaseDir, releaseUrl, signal: run.signal });
      return openOwnV2(known.path, known.manifest.v2, work, tools);
    }
  },
});
