import { InputError, playbook, variable } from 'etcd-play';
import {
  carryOut,
  etcdVariables,
  LiveCluster,
  LiveMigration,
  type MigrateAction,
  migrateOffline,
  planMigrate,
  type Refusal,
  refusedOnTheWay,
} from 'etcd-play/etcd';

const WHICH = 'Which';
const HOW = 'How';

export default playbook({
  name: 'migrate_etcd_v2_to_v3',
  description: 'bring the keys of the v2 API to v3, with their TTLs',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    prefix: variable.text('Only keys of v2 that begin so.', {
      section: WHICH,
      otherwise: 'all keys',
      example: '/app/',
    }),
    dest_prefix: variable.text('What they begin with in v3.', { section: WHICH, otherwise: 'the same' }),
    no_dest_prefix: variable.flag('In v3 they lose their beginning.', { section: WHICH, default: false }),
    overwrite: variable.flag('Keys of v3 with another value, or another end, get that of v2; they are saved first.', {
      section: HOW,
      default: false,
    }),
    leave_out: variable.flag('Leave out keys whose bytes the v2 API does not give out.', {
      section: HOW,
      default: false,
    }),
    offline: variable.flag("By etcd's own tool, etcdctl migrate, with an outage: for a v3 that is empty.", {
      section: HOW,
      default: false,
    }),
    still_for: variable.duration('How long v2 is watched for writers.', {
      section: HOW,
      default: 2_000,
      otherwise: '2s',
      min: '1s',
      max: '1h',
    }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run);
    const prefix = run.value('prefix') ?? '';
    if (run.value('no_dest_prefix') && run.value('dest_prefix') !== undefined) {
      throw new InputError('dest_prefix and no_dest_prefix exclude each other', { next: 'Leave one of them out.' });
    }
    const destPrefix = run.value('no_dest_prefix') ? '' : (run.value('dest_prefix') ?? prefix);
    const mapping = { prefix, destPrefix };
    const [overwrite, leaveOut] = [run.value('overwrite'), run.value('leave_out')];
    const migration = new LiveMigration(cluster, { mapping, stillForMs: run.value('still_for') });
    if (run.value('offline')) {
      if (prefix !== '' || destPrefix !== '' || overwrite || leaveOut) {
        throw new InputError('offline brings all of v2 as it is', {
          next: 'Leave out prefix, dest_prefix, overwrite and leave_out, or offline.',
        });
      }
      yield* migrateOffline(migration);
      return;
    }
    let afterwards: readonly Refusal[] = [];

    yield* carryOut<MigrateAction>(cluster, {
      async plan() {
        const found = await migration.look();
        const { hosts, switched, backedUp, done } = migration;
        const { afterwards: against, ...plan } = planMigrate({
          sight: cluster.sight(),
          limited: run.hosts,
          allHosts: run.allHosts,
          ...{ hosts, found, overwrite, leaveOut, switched, backedUp, done },
          stopped: afterwards.length > 0,
          word: cluster.allSettings[0]!.clusterToken,
        });
        if (against) afterwards = against;
        return plan;
      },
      perform: (action) => migration.perform(action),
      report: () => migration.report(),
    });
    if (afterwards.length > 0) throw refusedOnTheWay(afterwards);
  },
});
