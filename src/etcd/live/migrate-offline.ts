import { basename, join } from 'node:path';
import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import { once, type Play, play, step } from '../../runner/playbook.ts';
import { checkDatabase } from '../backup/database.ts';
import { localTools } from '../backup/tools.ts';
import { makeWorkFolder, removeWorkFolder } from '../backup/work-folder.ts';
import { readSavedV2 } from '../migrate/saved.ts';
import { migrateCopy } from '../migrate/tool.ts';
import { backSteps, servedBy, type V2Found } from '../plan/migrate.ts';
import {
  type EarlierRun,
  earlierRun,
  type HostLeft,
  type OfflinePlan,
  planOffline,
  refuseOffline,
} from '../plan/migrate-offline.ts';
import { planText, refusalError } from '../plan/plan.ts';
import { freeForData } from '../plan/sight.ts';
import { restoredMarksGo, restoreOn } from '../restore/carry-out.ts';
import { startInTurn } from '../restore/in-turn.ts';
import { placesOn } from '../restore/places.ts';
import { stopEtcd, swapBack, tidy } from '../restore/swap.ts';
import { waitUntilReady } from '../start.ts';
import { changesBetween, unrest } from '../v2/still.ts';
import { isHidden } from '../v2/tree.ts';
import type { LiveCluster } from './cluster.ts';
import { type LiveMigration, refusedOnTheWay } from './migrate.ts';
import { copyPlay, type Restored } from './migrate-copy.ts';
import { lookForMarks } from './migrate-marks.ts';

const FORMING_MS = 120_000;

/** The migration by etcd's own tool: looks, shows the plan, and goes on where an earlier run was cut off. */
export async function* migrateOffline(migration: LiveMigration): AsyncGenerator<Play> {
  const { cluster } = migration;
  const { run } = cluster;
  const left = new Map<string, HostLeft>();
  yield play('Look', {
    hosts: run.allHosts,
    tasks: [
      ...cluster.look(),
      step(
        'An earlier run is looked for',
        async ({ host }) => void left.set(host, await lookForMarks(await cluster.run.connect(host), cluster.own(host))),
        {
          check: 'run',
          when: ({ host }) => cluster.isSeen(host),
        },
      ),
    ],
  });
  const earlier = earlierRun(left, run.allHosts);
  if (earlier.kind === 'finish') return yield* finish(migration, earlier);
  if (earlier.kind === 'back') {
    if (run.check)
      return yield say(
        migration,
        `PLAN put back what was there before the run of ${earlier.stamp}, which was cut off; then begin anew`,
      );
    yield backPlay(cluster, earlier);
  }
  yield* begin(migration);
}

function say({ cluster }: LiveMigration, text: string): Play {
  return play('Plan', { tasks: [once('Plan is made', () => cluster.run.say(`\n${text}`), { check: 'run' })] });
}

/** What was there before comes back, where something of the run lies; what was stopped is started. */
function backPlay(cluster: LiveCluster, { stamp, hosts }: Extract<EarlierRun, { kind: 'back' }>): Play {
  const { run } = cluster;
  return play('Go back', {
    tasks: [
      once(`What was there before the run of ${stamp} is put back`, async () => {
        const all = await Promise.all(
          hosts.map(async (host) => ({ host, isPlaced: await isPlaced(cluster, host, stamp) })),
        );
        // On half a cluster of migrated data nobody can have relied yet.
        const placed = run.allHosts.filter((host) => all.some((one) => one.host === host && one.isPlaced));
        for (const host of placed) {
          const connection = await run.connect(host);
          await stopEtcd(connection, { kill: true });
          await swapBack(connection, placesOn(cluster, host, stamp));
        }
        await Promise.all(hosts.map(async (host) => tidy(await run.connect(host), placesOn(cluster, host, stamp))));
        await startInTurn(cluster, run.allHosts);
        await Promise.all(
          run.allHosts.map(async (host) => waitUntilReady(await run.connect(host), FORMING_MS, run.signal)),
        );
        await cluster.lookAgain();
        return { changed: true, summary: placed.join(', ') };
      }),
    ],
  });
}

/** Whether the old data lie aside: then others are in their place, or none. */
async function isPlaced(cluster: LiveCluster, host: string, stamp: string): Promise<boolean> {
  const connection = await cluster.run.connect(host);
  const tests = placesOn(cluster, host, stamp).pairs.map(({ kept }) => `[ -e ${quote(kept)} ]`);
  return (await connection.run(tests.join(' || '))).code === 0;
}

async function* begin(migration: LiveMigration): AsyncGenerator<Play> {
  const { cluster, sides, hosts } = migration;
  const { run } = cluster;
  let plan: OfflinePlan | undefined;
  let found: V2Found | undefined;
  const against = async () => {
    const { member } = await sides.v3();
    const { revision } = await member.status();
    return {
      found,
      v3Keys: await member.keyCount(revision),
      sight: cluster.sight(),
      freeBytes: freeForData(cluster.sight()),
    };
  };
  yield play('Plan', {
    tasks: [
      once(
        'Plan is made',
        async () => {
          found = await migration.look();
          const word = cluster.allSettings[0]!.clusterToken;
          const isUp = cluster.state().leader !== undefined;
          const seen = isUp ? await against() : { found, v3Keys: 0n, sight: cluster.sight(), freeBytes: new Map() };
          plan = planOffline({ ...seen, limited: run.hosts, allHosts: run.allHosts, hosts, word });
          if (plan.kind === 'refused') throw refusalError(plan.refusals);
          if (plan.kind === 'nothing') return { summary: plan.title };
          run.say(`\n${planText(plan.title, plan.steps)}`);
          return {};
        },
        { check: 'run' },
      ),
    ],
  });
  if (run.check || plan?.kind !== 'migrate') return;
  await run.confirm(plan.confirm.question, plan.confirm.word);
  for (const { action } of plan.on) yield migration.perform(action);
  if (plan.on.length > 0) {
    let refused: Error | undefined;
    yield play('Read', {
      tasks: [
        once('v2 is read', async () => {
          await cluster.lookAgain();
          found = await migration.look();
          const refusals = refuseOffline(await against());
          if (refusals.length > 0) refused = refusedOnTheWay(refusals);
        }),
      ],
    });
    if (refused) {
      for (const { action } of backSteps(cluster.state(), hosts)) yield migration.perform(action);
      throw refused;
    }
  }
  const from = servedBy(cluster.state(), hosts)!;
  yield migration.perform({ do: 'back up', host: from });
  yield* swapMigrated(migration, from);
}

async function* swapMigrated(migration: LiveMigration, from: string): AsyncGenerator<Play> {
  const { cluster, sides, folder } = migration;
  const { run } = cluster;
  const { signal } = run;
  const work = await makeWorkFolder(folder);
  run.onEnd(() => removeWorkFolder(work));
  const plain = join(work, 'migrated.db');
  let least = 0;
  let revision = 0n;
  yield play('Migrate a copy', {
    tasks: [
      once('A copy is migrated by etcdctl', async () => {
        const settings = cluster.own(from);
        const { version, releaseDir, releaseUrl } = settings;
        const isMount = cluster.seen(from).facts.data.isMount ?? false;
        await migrateCopy(await run.connect(from), settings, { isMount, file: plain, signal });
        const tools = await localTools({ version, releaseDir, releaseUrl, signal });
        const facts = await checkDatabase(tools, plain, signal);
        revision = facts.revision;
        const { keys } = sides.base.tree;
        const listed = keys.filter(({ name }) => !isHidden(name)).length;
        const ended = keys.filter(({ endsAtMs }) => endsAtMs !== undefined && endsAtMs < sides.now()).length;
        // It may be a moment behind, and hold what has just ended: that is found later.
        least = listed - ended;
        if (facts.keys < least) {
          throw new PlayError(`the migrated copy holds ${facts.keys} keys, and v2 lists ${listed}`, {
            host: from,
            next: 'Nothing was stopped. Run without offline: the copy through the API compares each key.',
          });
        }
        return { changed: true, summary: `${facts.keys} keys` };
      }),
    ],
  });
  yield* restoreOn(cluster, {
    hosts: run.allHosts,
    plain,
    isBare: true,
    bump: false,
    keyCount: BigInt(least),
    revision,
    markAs: basename(migration.saved),
    beforeStop: () => nobodyHasWritten(migration),
    after: (goBack) => afterRestore(migration, { upTo: revision, isLater: false, goBack }),
  });
}

/** The last look before the outage: what is written from now on meets a member that is stopped. */
async function nobodyHasWritten({ sides }: LiveMigration): Promise<void> {
  const moved = unrest({ ...changesBetween(sides.base, await sides.readV2()), unseen: 0 });
  const { member } = await sides.v3();
  const keys = await member.keyCount((await member.status()).revision);
  const what = moved === undefined ? (keys > 0n ? `${keys} keys were written to v3` : undefined) : moved;
  sides.closeAll();
  if (what === undefined) return;
  throw new PlayError(`somebody has written meanwhile: ${what}`, {
    next: 'Nothing was stopped. Stop who writes, then run again.',
  });
}

async function* afterRestore(migration: LiveMigration, restored: Restored): AsyncGenerator<Play> {
  const { sides, folder } = migration;
  sides.closeAll();
  yield copyPlay(sides, { folder, restored, onDone: () => migration.finished() });
  yield play('Report', { tasks: [once('What is next', () => migration.cluster.run.say(`\n${NEXT}`))] });
}

const NEXT = [
  'All keys of v2 are in v3. What was there before lies aside on each host (bak-<time>). Next:',
  '  1. Point applications to the API of v3.',
  '  2. Delete what lies aside, once nobody needs it.',
].join('\n');

/** Migrated data are in place on all hosts, and perhaps not all of their keys have their ends yet. */
async function* finish(
  migration: LiveMigration,
  { stamp, file, revision }: Extract<EarlierRun, { kind: 'finish' }>,
): AsyncGenerator<Play> {
  const { cluster, sides, folder } = migration;
  const { run } = cluster;
  const path = join(folder, file);
  const text = `PLAN go on with the run of ${stamp}: migrated data are in place\n  1. start what is stopped\n  2. leases for keys that end, hidden keys, as saved in ${path}; compare all`;
  yield say(migration, text);
  if (run.check) return;
  const goBack = async (error: unknown) =>
    error instanceof PlayError ? error : new PlayError((error as Error).message, { cause: error });
  yield play('Start', {
    tasks: [
      once('All members serve', async () => {
        sides.takeBase(await readSavedV2(path));
        await startInTurn(cluster, run.allHosts);
        await Promise.all(
          run.allHosts.map(async (host) => waitUntilReady(await run.connect(host), FORMING_MS, run.signal)),
        );
        await cluster.lookAgain();
      }),
    ],
  });
  yield* afterRestore(migration, { upTo: revision, isLater: true, goBack });
  yield restoredMarksGo(cluster, run.allHosts);
}
