import { playbook, variable } from 'etcd-play';
import {
  carryOut,
  compareFiles,
  etcdVariables,
  LiveCluster,
  lookAtFiles,
  type MemberFiles,
  performRoll,
  planReload,
  type RollAction,
} from 'etcd-play/etcd';

export default playbook({
  name: 'reload_etcd',
  description: 'bring certificates and settings to a running cluster, one member at a time',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    force: variable.flag('Restart all members, also those that run with what is wanted.', {
      section: 'How',
      default: false,
    }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run);
    const { certLocalDir } = cluster.allSettings[0]!;
    const files = new Map<string, MemberFiles>();
    const forced = new Set(run.value('force') ? run.hosts : []);
    let borne: readonly string[] | undefined;
    const filesOf = (host: string) => files.get(host)!;
    const members = () => {
      const theirs = new Set(cluster.state().members.map(({ host }) => host));
      return cluster.hosts.filter((host) => run.hosts.includes(host) && theirs.has(host));
    };

    yield* carryOut<RollAction>(cluster, {
      async plan() {
        await Promise.all(members().map(async (host) => files.set(host, await lookAtFiles(cluster, host))));
        const decided = planReload({
          sight: cluster.sight(),
          files,
          limited: run.hosts,
          forced: [...forced],
          borne,
          ca: cluster.ca,
          certLocalDir,
        });
        borne ??= cluster.state().members.flatMap(({ serves, member }) => (serves ? [] : [member.id]));
        return decided;
      },
      perform: (action) => performRoll(cluster, action, filesOf, { onRestarted: (host) => void forced.delete(host) }),
      compare: () => compareFiles(cluster, members(), filesOf),
    });
  },
});
