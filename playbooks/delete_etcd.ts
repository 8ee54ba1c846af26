import { playbook, variable } from 'etcd-play';
import { carryOut, etcdVariables, LiveCluster, type MemberAction, perform, planDelete } from 'etcd-play/etcd';

export default playbook({
  name: 'delete_etcd',
  description: 'take one member out of a running cluster: play delete_etcd -l HOST',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    member: variable.text('The member by its name, ID or peer address: one that the inventory need not have.', {
      section: 'Which',
      otherwise: 'that of the host in -l',
    }),
    purge: variable.flag('Delete its data instead of moving them aside.', { section: 'Which', default: false }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run);
    let wasFound = false;
    yield* carryOut<MemberAction>(cluster, {
      plan() {
        const [member, purge] = [run.value('member'), run.value('purge')];
        const plan = planDelete({ sight: cluster.sight(), limited: run.hosts, member, wasFound, purge });
        wasFound ||= plan.kind === 'plan';
        return plan;
      },
      perform: (action) => perform(cluster, action),
    });
  },
});
