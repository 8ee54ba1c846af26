import { playbook, variable } from 'etcd-play';
import { carryOut, etcdVariables, gatesText, planUpgrade, type VersionAction, VersionWork } from 'etcd-play/etcd';

export default playbook({
  name: 'upgrade_etcd',
  description: 'bring a later release to a running cluster: play upgrade_etcd -e ETCD_VERSION=3.5.30',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    via: variable.list('Releases to go through; what must lie between is added.', {
      section: 'Which',
      otherwise: 'the newest of each minor version between that is at hand',
    }),
    back: variable.flag('Take a half-upgraded cluster back to the release that the others still run.', {
      section: 'Which',
      default: false,
    }),
    ready_within: variable.duration('How long a member may take to be back before the old release is put back.', {
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
    const atHand = await work.releasesAtHand();
    let gates: string | undefined;
    yield* carryOut<VersionAction>(cluster, {
      async plan() {
        const versions = await work.look(to);
        const decided = planUpgrade({
          sight: cluster.sight(),
          versions,
          limited: run.hosts,
          to,
          via: run.value('via') ?? [],
          atHand,
          back,
          begun: work.begun,
          backedUp: work.backedUp,
          settingsFaults: (version) => work.settingsFaults(version),
          servesV2: (version) => work.servesV2(version),
          backupFreeBytes: await work.backupFreeBytes(),
          ...(await work.drift()),
          ca: cluster.ca,
          certLocalDir,
        });
        const text = decided.gates && decided.gates.length > 0 ? gatesText(decided.gates) : undefined;
        if (gates === undefined && text !== undefined) run.say(`\n${text}`);
        gates ??= text ?? '';
        return decided;
      },
      perform: (action) => work.perform(action),
      compare: () => (back ? undefined : work.settingsPlay(to)),
      report: () => (back ? undefined : work.reminder(to)),
    });
  },
});
