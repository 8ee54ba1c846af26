import { playbook, variable } from 'etcd-play';
import { carryOut, etcdVariables, planDowngrade, type VersionAction, VersionWork } from 'etcd-play/etcd';

export default playbook({
  name: 'downgrade_etcd',
  description: 'take a running cluster to an older release, where etcd allows it',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    back: variable.flag('Call a downgrade off that is under way.', { section: 'Which', default: false }),
    ready_within: variable.duration('How long a member may take to be back before what it ran before is put back.', {
      section: 'How',
      default: 60_000,
      otherwise: '60s',
      min: '5s',
      max: '1h',
    }),
  },

  async *plays(run) {
    const work = await VersionWork.open(run, run.value('ready_within'));
    const { cluster } = work;
    const { certLocalDir, version: to } = cluster.allSettings[0]!;
    const back = run.value('back');
    const backupsOf = await work.backupsByMinor();
    yield* carryOut<VersionAction>(cluster, {
      async plan() {
        return planDowngrade({
          sight: cluster.sight(),
          versions: await work.look(to),
          limited: run.hosts,
          to,
          back,
          begun: work.begun,
          backedUp: work.backedUp,
          backupsOf,
          settingsFaults: (version) => work.settingsFaults(version),
          ca: cluster.ca,
          certLocalDir,
        });
      },
      perform: (action) => work.perform(action),
      compare: () => (back ? undefined : work.settingsPlay(to)),
      report: () => (back ? undefined : work.reminder(to)),
    });
  },
});
