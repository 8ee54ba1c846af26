import { playbook, variable } from 'etcd-play';
import {
  carryOut,
  etcdVariables,
  LiveCluster,
  type MoveAction,
  type MoveRequest,
  measureMove,
  performMove,
  planMove,
} from 'etcd-play/etcd';

export default playbook({
  name: 'move_etcd',
  description: 'bring a member with its data to another host: play move_etcd -l FROM -e to=TO',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    to: variable.text('The host that the member goes to.', { section: 'Which', otherwise: 'must be given' }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run);
    const { certLocalDir } = cluster.allSettings[0]!;
    const [from = ''] = run.hosts;
    const to = run.value('to');
    let size: MoveRequest['size'];
    yield* carryOut<MoveAction>(cluster, {
      async plan() {
        if (to !== undefined) size ??= await measureMove(cluster, from, to);
        const complaints = cluster.complaintsAbout(to === undefined ? [] : [to]);
        const { ca } = cluster;
        return planMove({ sight: cluster.sight(), limited: run.hosts, to, complaints, size, ca, certLocalDir });
      },
      perform: (action) => performMove(cluster, action),
    });
  },
});
