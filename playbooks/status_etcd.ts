import { playbook, variable } from 'etcd-play';
import { etcdVariables, LiveCluster, lookAtStatus, notWell, statusRecord, statusText } from 'etcd-play/etcd';

export default playbook({
  name: 'status_etcd',
  description: 'see how the whole cluster is, from the outside; exit code 0 only when all is well',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  // It changes nothing.
  lock: false,
  variables: {
    format: variable.oneOf(['text', 'json'], 'Tables, or one line of JSON.', { section: 'Status', default: 'text' }),
    warn_days: variable.integer('Certificates that end within so many days are not well.', {
      section: 'Status',
      otherwise: '30; the last third of a certificate that lives less than 90 days',
      max: 36_500,
    }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run, { mayHaveEnded: true });
    const { clusterToken } = cluster.allSettings[0]!;
    const problems = yield* lookAtStatus(cluster, {
      warnDays: run.value('warn_days'),
      show(sight, found) {
        const record = statusRecord(sight, found, clusterToken);
        const well = found.length === 0 ? '\nAll is well.' : '';
        const text = run.value('format') === 'json' ? JSON.stringify(record) : statusText(sight, clusterToken) + well;
        run.say(text, 'info', record);
      },
    });
    if (problems.length > 0) throw notWell(problems);
  },
});
