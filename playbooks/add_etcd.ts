import { playbook } from 'etcd-play';
import { carryOut, etcdVariables, LiveCluster, type MemberAction, perform, planAdd } from 'etcd-play/etcd';

export default playbook({
  name: 'add_etcd',
  description: 'add one new host to a running cluster: play add_etcd -l HOST',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,

  async *plays(run) {
    const cluster = await LiveCluster.open(run);
    const { certLocalDir } = cluster.allSettings[0]!;
    yield* carryOut<MemberAction>(cluster, {
      plan: () =>
        planAdd({
          sight: cluster.sight(),
          limited: run.hosts,
          complaints: cluster.complaintsAbout(run.hosts),
          ca: cluster.ca,
          certLocalDir,
        }),
      perform: (action) => perform(cluster, action),
    });
  },
});
