import { join } from 'node:path';
import { playbook, variable } from 'etcd-play';
import {
  carryOut,
  etcdVariables,
  LiveCluster,
  LiveSpace,
  notWell,
  planSpace,
  type SpaceAction,
  type SpaceReport,
  spaceProblems,
  spaceRecord,
  spaceText,
  spaceWishesKind,
} from 'etcd-play/etcd';

export default playbook({
  name: 'space_etcd',
  description: 'see the room in the databases; make room (compact, defragment) and clear the alarm NOSPACE',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,
  variables: {
    do: variable.of(spaceWishesKind, 'What is to be done, in any order: compact, defrag, disarm.', {
      section: 'Space',
      otherwise: 'nothing: it is looked at',
      example: 'compact,defrag,disarm',
    }),
    backup: variable.flag('Take a backup and verify it before anything is forgotten.', {
      section: 'Space',
      default: true,
    }),
    force: variable.flag('Compact and defragment also where that gains nothing; disarm also where there is no room.', {
      section: 'Space',
      default: false,
    }),
  },

  async *plays(run) {
    const cluster = await LiveCluster.open(run);
    const [first] = cluster.allSettings;
    const space = new LiveSpace(cluster, first!.localBackupDir ?? join(run.inventoryDir, 'backups'));
    const wishes = new Set(run.value('do') ?? []);
    const [backup, force] = [run.value('backup'), run.value('force')];
    let last: SpaceReport | undefined;
    let [alarmed, changed] = [false, false];

    yield* carryOut<SpaceAction>(cluster, {
      async plan() {
        const state = cluster.state();
        const sight = await space.look();
        const isFirst = last === undefined;
        last = { state, ...sight };
        if (isFirst) run.say(spaceText(last), 'info', spaceRecord(last));
        alarmed = sight.alarms.length > 0;
        const isBackedUp = !backup || (await space.isBackedUp(sight.revision));
        return planSpace({ state, limited: run.hosts, wishes, force, isBackedUp, done: space.done, ...sight });
      },
      perform(action) {
        changed = true;
        return space.perform(action);
      },
      get proof() {
        if (wishes.size === 0) return 'none';
        // Where an alarm stays, no write passes.
        return alarmed || !changed ? 'read' : 'write';
      },
      report: () => (last ? spaceText(last) : undefined),
    });

    const problems = last ? spaceProblems(last) : [];
    if (wishes.size === 0 && problems.length > 0) throw notWell(problems);
    // What was wanted is done, and it may not be enough.
    for (const { host, message } of run.check ? [] : problems)
      run.say(`${host ? `${host}: ` : ''}${message}`, 'warning');
  },
});
