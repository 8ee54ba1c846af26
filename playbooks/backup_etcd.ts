import { rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { once, PlayError, play, playbook, step, variable } from 'etcd-play';
import {
  aheadText,
  type BackupCandidate,
  type BackupPlan,
  backupFileName,
  backupIdentity,
  backupReport,
  clientAddress,
  compressions,
  copyBackup,
  DiskError,
  type EtcdTools,
  etcdVariables,
  existingParent,
  findBackups,
  keepFile,
  knowsV2,
  linkLatest,
  localTools,
  type Manifest,
  type MemberApi,
  makeManifest,
  makeWorkFolder,
  openMemberApi,
  type Proven,
  packFile,
  planBackup,
  planText,
  prove,
  type RetentionPolicy,
  readClusterSettings,
  recipientKind,
  refusalError,
  removeExpired,
  removeWorkFolder,
  retentionText,
  type SnapshotSums,
  saveOnHost,
  streamSnapshot,
  type TakenV2,
  takeV2,
  type V2State,
  v2FileName,
  v2GetFrom,
  v2State,
  writeMetrics,
  zstdAvailable,
} from 'etcd-play/etcd';

const SECTION = 'Backup';
const keep = (what: string) =>
  variable.integer(what, { section: 'Retention', otherwise: 'no such rule', max: 100_000 });

export default playbook({
  name: 'backup_etcd',
  description: 'save a snapshot of the cluster on this machine, and prove that it can be restored',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  // It changes nothing on the hosts.
  lock: false,
  variables: {
    from: variable.text('The member that gives it: leader, follower (the furthest one) or a host.', {
      section: SECTION,
      default: 'leader',
    }),
    via: variable.oneOf(
      ['stream', 'host'],
      'Straight through the connection, or saved on the host first, in ETCD_TMP_BACKUP_DIR.',
      {
        section: SECTION,
        default: 'stream',
      },
    ),
    verify: variable.oneOf(
      ['trial', 'database', 'none'],
      'How it is proven: by a trial restore, by its database alone, or not.',
      {
        section: SECTION,
        default: 'trial',
      },
    ),
    backup_compression: variable.oneOf(compressions, 'How it is compressed.', { section: SECTION, default: 'none' }),
    backup_encrypt_to: variable.of(recipientKind, 'Keys of age (age1…, with commas) that it is encrypted to.', {
      section: SECTION,
      otherwise: 'not encrypted',
    }),
    backup_copy_to: variable.path('A second folder, on another disk, that gets a copy.', { section: SECTION }),
    backup_metrics: variable.path('A file for the textfile collector of Prometheus.', { section: SECTION }),
    keep_last: keep('Keep the newest so many backups.'),
    keep_days: keep('Keep all that are younger.'),
    keep_hourly: keep('Keep the newest of each of so many hours.'),
    keep_daily: keep('Keep the newest of each of so many days.'),
    keep_weekly: keep('Keep the newest of each of so many weeks.'),
    keep_monthly: keep('Keep the newest of each of so many months.'),
  },

  async *plays(run) {
    const settings = readClusterSettings(
      run.allHosts.map((host) => ({ host, vars: run.varsOf(host).values() })),
      run.inventoryDir,
      ({ message, file, line }) => run.say(file ? `${file}:${line}: ${message}` : message, 'warning'),
    );
    const own = (host: string) => settings.get(host)!;
    const { certLocalDir, releaseDir, releaseUrl, clusterToken, localBackupDir } = [...settings.values()][0]!;
    const folder = localBackupDir ?? join(run.inventoryDir, 'backups');
    const [from, via, verify] = [run.value('from'), run.value('via'), run.value('verify')];
    const compression = run.value('backup_compression');
    const recipients = run.value('backup_encrypt_to') ?? [];
    const copyTo = run.value('backup_copy_to');
    const policy: RetentionPolicy = {
      last: run.value('keep_last'),
      days: run.value('keep_days'),
      hourly: run.value('keep_hourly'),
      daily: run.value('keep_daily'),
      weekly: run.value('keep_weekly'),
      monthly: run.value('keep_monthly'),
    };
    const isPacked = compression !== 'none' || recipients.length > 0;
    if (compression === 'zstd' && !zstdAvailable()) {
      throw new PlayError('backup_compression is zstd, and neither this Node nor a program zstd can do that', {
        next: 'Install zstd on this machine, or take gzip.',
      });
    }
    const identity = backupIdentity(certLocalDir);
    if (!identity) {
      throw new PlayError(`there is no client certificate in ${certLocalDir}`, {
        next: 'Set CERT_LOCAL_DIR to the folder the cluster was made with: client.pem, client-key.pem and ca.pem.',
      });
    }

    const started = performance.now();
    const candidates = new Map<string, BackupCandidate>();
    const apis = new Map<string, MemberApi>();
    const v2States = new Map<string, V2State>();
    const members = new Map<string, Awaited<ReturnType<MemberApi['members']>>>();
    const failures: PlayError[] = [];
    let plan: Extract<BackupPlan, { kind: 'backup' }> | undefined;
    let tools: EtcdTools | undefined;
    let work: string | undefined;
    let taken: { host: string; sums: SnapshotSums; takenAt: Date; tookMs: number } | undefined;
    let proven: Proven | undefined;
    let v2: TakenV2 | undefined;
    let manifest: Manifest | undefined;
    let kept: string | undefined;
    let copied: string | undefined;
    const done = { removed: [] as string[], tookMs: 0, succeeded: false };

    run.onEnd(async () => {
      for (const api of apis.values()) api.close();
      if (work) await removeWorkFolder(work);
      const metrics = run.check ? undefined : run.value('backup_metrics');
      if (!metrics) return;
      const verified =
        manifest && kept && proven
          ? {
              takenAt: new Date(manifest.takenAt),
              sizeBytes: manifest.snapshot.sizeBytes,
              revision: BigInt(manifest.revision),
              durationMs: done.tookMs,
            }
          : undefined;
      const { succeeded } = done;
      await writeMetrics(metrics, { cluster: clusterToken, finishedAt: new Date(), succeeded, verified });
    });

    yield play('Look', {
      tasks: [
        step(
          'Member is asked',
          async ({ host, connect }) => {
            // A member that is down is no reason to go without a backup.
            try {
              const api = await openMemberApi(await connect(), clientAddress(own(host)), identity);
              apis.set(host, api);
              const [status, list] = await Promise.all([api.status(), api.members()]);
              members.set(host, list);
              candidates.set(host, { host, status, silence: '' });
              if (knowsV2(status.version)) v2States.set(host, await v2State(await v2Get(host)));
              return { summary: `etcd ${status.version}` };
            } catch (error) {
              apis.get(host)?.close();
              apis.delete(host);
              candidates.set(host, { host, status: undefined, silence: (error as Error).message });
              return { summary: 'no answer' };
            }
          },
          { check: 'run' },
        ),
        once(
          'Plan is made',
          async () => {
            const { bavail, bsize } = await statfs(existingParent(folder));
            const decided = planBackup({
              candidates: run.hosts.flatMap((host) => candidates.get(host) ?? []),
              from,
              folder,
              freeBytes: bavail * bsize,
              copies: 1 + (verify === 'trial' || isPacked ? 1 : 0),
              steps: [
                verify === 'none'
                  ? 'check its sum'
                  : `check its sum and its database${verify === 'trial' ? ', restore it on trial and compare it with its member' : ''}`,
                ...(v2Hosts().length > 0 ? ['save what the v2 API holds too, by etcdctl backup'] : []),
                `keep it in ${folder}${copyTo ? ` and ${copyTo}` : ''}`,
                retentionText(policy),
              ].filter((one) => one !== ''),
            });
            if (decided.kind === 'refused') throw refusalError(decided.refusals);
            plan = decided;
            for (const warning of plan.warnings) run.say(warning, 'warning');
            run.say(`\n${planText(`back up the cluster ${clusterToken} (${plan.clusterId})`, plan.steps)}`);
          },
          { check: 'run' },
        ),
      ],
    });
    if (run.check || !plan) return;
    const { clusterId, sources } = plan;

    for (const host of sources) {
      const status = candidates.get(host)!.status!;
      const file = () => join(work!, 'snapshot.db');
      yield play(failures.length > 0 ? `Take it from ${host} instead` : 'Take', {
        hosts: [host],
        tasks: [
          once('Place is made', async () => {
            if (verify !== 'none' && tools?.version !== status.version) {
              tools = await localTools({ version: status.version, releaseDir, releaseUrl, signal: run.signal });
            }
            work ??= await makeWorkFolder(folder);
            await rm(file(), { force: true });
          }),
          step('Snapshot is taken', async ({ connect, progress }) => {
            const begun = performance.now();
            const takenAt = new Date();
            const options = {
              file: file(),
              expectedBytes: status.dbSizeBytes,
              signal: run.signal,
              onProgress: progress,
            };
            try {
              const sums =
                via === 'stream'
                  ? await streamSnapshot(host, apis.get(host)!, options)
                  : await saveOnHost(await connect(), own(host), own(host).tmpBackupDir ?? '/var/tmp', options);
              taken = { host, sums, takenAt, tookMs: performance.now() - begun };
              return { changed: true, summary: `${Math.ceil(sums.sizeBytes / 1024 ** 2)} MiB` };
            } catch (error) {
              return giveUpOn(host, error);
            }
          }),
          once('Snapshot is proven', async () => {
            if (!taken || verify === 'none') return { skipped: true };
            try {
              const request = { tools: tools!, file: file(), folder: work!, source: host, apis, signal: run.signal };
              proven = await prove(request, verify === 'trial');
            } catch (error) {
              taken = undefined;
              return giveUpOn(host, error);
            }
            return { summary: `revision ${proven.database.revision}` };
          }),
          once('Data of the v2 API are saved', async () => {
            const [source] = v2Hosts().toSorted((a, b) => Number(b === host) - Number(a === host));
            if (!taken || source === undefined) return { skipped: true };
            try {
              await rm(v2File(), { force: true });
              v2 = await takeV2({
                connection: await run.connect(source),
                settings: own(source),
                get: await v2Get(source),
                file: v2File(),
                folder: work!,
                tools: verify === 'trial' ? tools : undefined,
                signal: run.signal,
              });
            } catch (error) {
              taken = undefined;
              return giveUpOn(host, error);
            }
            return { changed: true, summary: v2.facts ? `${v2.facts.keys} keys` : '' };
          }),
        ],
      });
      if (taken) break;
    }
    if (!taken) throw failures.at(-1)!;
    const { host, sums, takenAt, tookMs } = taken;
    const status = candidates.get(host)!.status!;

    yield play('Keep', {
      tasks: [
        once('Backup is kept', async () => {
          const plain = join(work!, 'snapshot.db');
          const packed = isPacked ? join(work!, 'packed') : plain;
          const stored = isPacked ? await packFile(plain, packed, { compression, recipients }, run.signal) : sums;
          const revision = proven?.database.revision ?? status.revision;
          const encryption = recipients.length > 0 ? 'age' : 'none';
          const naming = { cluster: clusterToken, takenAt, revision, compression, encryption } as const;
          const name = backupFileName(naming);
          let v2Kept = v2 && v2File();
          if (v2 && recipients.length > 0) {
            v2Kept = join(work!, 'v2-packed');
            const sealed = await packFile(v2File(), v2Kept, { compression: 'none', recipients }, run.signal);
            v2 = { ...v2, ...sealed };
          }
          const made = makeManifest({
            cluster: { name: clusterToken, id: clusterId },
            takenAt,
            revision,
            source: { host, settings: own(host), status },
            members: members.get(host) ?? [],
            versions: [...candidates.values()],
            snapshot: sums,
            file: { name, sizeBytes: stored.sizeBytes, sha256: stored.sha256, compression, encryption },
            proven,
            tools,
            v2: v2 && { name: v2FileName(naming), ...v2 },
          });
          ({ path: kept, manifest } = await keepFile(packed, folder, made, v2Kept));
          done.tookMs = performance.now() - started;
          const note = await linkLatest(folder, work!);
          const ahead = aheadText(await findBackups(folder), new Date());
          for (const text of [note, ahead]) if (text) run.say(text, 'warning');
          return { changed: true, summary: basename(kept) };
        }),
        once('Copy is kept', async () => {
          if (!copyTo) return { skipped: true };
          const away = await makeWorkFolder(copyTo);
          try {
            copied = (await copyBackup(kept!, away, copyTo, manifest!, run.signal)).path;
            await linkLatest(copyTo, away);
          } finally {
            await removeWorkFolder(away);
          }
          return { changed: true, summary: copyTo };
        }),
        once('Old backups are removed', async () => {
          for (const path of [kept!, ...(copied ? [copied] : [])]) {
            const place = dirname(path);
            const removed = await removeExpired(place, clusterId, policy, new Date(), basename(path));
            done.removed.push(...removed.map((name) => join(place, name)));
          }
          return {
            changed: done.removed.length > 0,
            summary: done.removed.length > 0 ? `${done.removed.length} removed` : '',
          };
        }),
        once('Backup is shown', () => {
          run.say(
            backupReport({
              path: kept!,
              manifest: manifest!,
              tookMs,
              totalMs: done.tookMs,
              proven,
              removed: done.removed,
            }),
          );
        }),
        once('Members are sound', () => {
          const odd = proven?.odd ?? [];
          if (odd.length > 0) {
            throw new PlayError(
              `the backup is good, but the data of ${odd.join(', ')} differ from those of the other members`,
              {
                next: 'Compare etcdctl endpoint hashkv of all members, and replace the odd one.',
              },
            );
          }
          const damaged = failures.filter((error) => error.name === 'DamagedError');
          if (damaged.length > 0) throw damaged[0]!;
          done.succeeded = true;
        }),
      ],
    });

    function v2Hosts(): string[] {
      return [...v2States].flatMap(([host, state]) => (state === 'content' || state === 'locked' ? [host] : []));
    }

    function v2File(): string {
      return join(work!, 'v2.tar.gz');
    }

    async function v2Get(host: string) {
      return v2GetFrom(await run.connect(host), clientAddress(own(host)), identity!);
    }

    /** Another member may do better, unless it is this machine that fails, or nobody wants it any more. */
    function giveUpOn(host: string, error: unknown) {
      if (run.signal.aborted || error instanceof DiskError || !(error instanceof PlayError)) throw error;
      error.host ??= host;
      failures.push(error);
      if (host === sources.at(-1)) throw error;
      run.say(`${host}: ${error.message}`, 'warning');
      return { summary: 'failed' };
    }
  },
});
