import { InputError, type Play, playbook, variable } from 'etcd-play';
import {
  carryOut,
  consumersOfOldCa,
  etcdVariables,
  fingerprints,
  LAST_PLAY,
  LiveCluster,
  leafIds,
  lookAtFiles,
  type MemberFiles,
  performRotation,
  planAuthority,
  planOutage,
  planRotateLeaves,
  type RotateAction,
  readRotation,
  SIGN_PLAY,
} from 'etcd-play/etcd';

const WHAT = 'What';
const HOW = 'How, with ca=true';

export default playbook({
  name: 'rotate_certs_etcd',
  description: 'new certificates for a running cluster, or with -e ca=true a new CA, without an outage',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    ca: variable.flag('A new CA too, in three phases; goes on with a change that was begun.', {
      section: WHAT,
      default: false,
    }),
    back: variable.flag('Back to the old CA: until the third phase has begun.', { section: HOW, default: false }),
    until: variable.integer('The last phase to be made now: clients may need time in between.', {
      section: HOW,
      min: 1,
      max: 3,
      default: 3,
    }),
    outage: variable.oneOf(['none', 'accept'], '`accept`: stop all, replace all, start all, in some seconds.', {
      section: HOW,
      default: 'none',
    }),
    again: variable.flag('Change the CA although it was changed in the last ten minutes.', {
      section: HOW,
      default: false,
    }),
  },

  async *plays(run) {
    const [ca, back, until] = [run.value('ca'), run.value('back'), run.value('until')];
    const outage = run.value('outage') === 'accept';
    if (!ca && (back || outage || until < 3)) {
      throw new InputError('back, until and outage are for a change of CA', { next: 'Add -e ca=true.' });
    }
    if (back && outage) {
      throw new InputError('there is no way back with an outage', { next: 'Leave out -e outage=accept.' });
    }
    const cluster = await LiveCluster.open(run, { mayHaveEnded: ca });
    const { certLocalDir } = cluster.allSettings[0]!;
    const files = new Map<string, MemberFiles>();
    let retired: Set<string> | undefined;
    /** What has been finished by this run is not begun again by it. */
    let finished = false;

    const plan = async () => {
      const hosts = cluster.hosts;
      if (!ca) retired ??= await fingerprints(cluster, run.hosts);
      const wish = retired ? { retired } : {};
      await Promise.all(hosts.map(async (host) => files.set(host, await lookAtFiles(cluster, host, wish))));
      const rotation = await readRotation(certLocalDir, new Date());
      const request = {
        sight: cluster.sight(),
        files,
        limited: run.hosts,
        allHosts: run.allHosts,
        rotation,
        leaves: leafIds(
          cluster,
          cluster.state().members.flatMap(({ host }) => (host !== undefined && files.has(host) ? [host] : [])),
        ),
        ca: cluster.ca,
        certLocalDir,
        back,
        until,
        again: run.value('again'),
        now: new Date(),
      };
      if (finished) return { kind: 'plan' as const, title: 'done', actions: [], warnings: [] };
      if (!ca) return planRotateLeaves(request);
      return outage ? planOutage(request) : planAuthority(request);
    };

    const plays = carryOut<RotateAction>(cluster, {
      plan,
      perform(action) {
        if (action.do === 'authority') finished = action.steps.some((one) => one === 'keep old' || one === 'drop new');
        return performRotation(cluster, action, (host) => files.get(host)!, retired ? { retired } : {});
      },
    });
    for await (const one of plays) {
      if (ca && !back && !outage) await confirmClients(one);
      yield one;
    }

    /** From two points on clients are refused that have not got what they need. */
    async function confirmClients({ name }: Play): Promise<void> {
      if (name === SIGN_PLAY) {
        await run.confirm(
          `From here on members show certificates of the new CA. Do all clients trust both by now (${certLocalDir}/ca.pem)?`,
          'trusted',
        );
      }
      if (name !== LAST_PLAY) return;
      const consumers = await consumersOfOldCa(certLocalDir, await readRotation(certLocalDir, new Date()));
      if (consumers.length > 0) {
        const how = consumers.map((cn) => `play certs_etcd -e cn=${cn} -e renew=true`).join('\n  ');
        run.say(
          `These have certificates of the old CA, and will be refused: ${consumers.join(', ')}\n  ${how}`,
          'warning',
        );
      }
      await run.confirm(
        'From here on only the new CA is trusted, and there is no way back. Have all clients a certificate of the new CA?',
        'issued',
      );
    }
  },
});
