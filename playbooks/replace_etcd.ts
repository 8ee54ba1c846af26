import { playbook, variable } from 'etcd-play';
import {
  carryOut,
  etcdVariables,
  LiveCluster,
  type MemberAction,
  perform,
  planReplace,
  replacedId,
} from 'etcd-play/etcd';

export default playbook({
  name: 'replace_etcd',
  description: 'put a new member in the place of one whose disk or host is lost: play replace_etcd -l HOST',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    replacement: variable.text('The host that takes its place.', { section: 'Which', otherwise: 'the same host' }),
    force: variable.flag('Also a member that serves, or that only has to be started.', {
      section: 'Which',
      default: false,
    }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run);
    const { certLocalDir } = cluster.allSettings[0]!;
    const replacement = run.value('replacement');
    let oldId: string | undefined;
    yield* carryOut<MemberAction>(cluster, {
      plan: () => {
        const [host = ''] = run.hosts;
        oldId ??= replacedId(cluster.sight(), host, replacement ?? host);
        return planReplace({
          sight: cluster.sight(),
          limited: run.hosts,
          replacement,
          force: run.value('force'),
          oldId,
          complaints: cluster.complaintsAbout([replacement ?? run.hosts[0]!]),
          ca: cluster.ca,
          certLocalDir,
        });
      },
      perform: (action) => perform(cluster, action),
    });
  },
});
