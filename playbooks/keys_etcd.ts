import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, once, PlayError, play, playbook, variable } from 'etcd-play';
import {
  checkSaved,
  deleteSaved,
  encodings,
  etcdVariables,
  firstKey,
  type KeysPlan,
  keysRecord,
  keyText,
  listText,
  lookForUndo,
  MemberSessions,
  planDeleteKeys,
  planText,
  planUndoKeys,
  prefixEnd,
  readBytes,
  readSaved,
  refusalError,
  saveKeys,
  spell,
  type UndoCounts,
  undo,
  walkKeys,
} from 'etcd-play/etcd';

const WHICH = 'Which';
const WHAT = 'What is done';
/** So many are named before they are deleted. */
const NAMED = 20;

export default playbook({
  name: 'keys_etcd',
  description: 'read, list and delete keys, each saved first; undo=FILE puts them back',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  // It changes nothing on the hosts, and needs no more of them than a way to etcd.
  lock: false,
  become: false,
  whole: true,
  variables: {
    key: variable.text('One key.', { section: WHICH, example: '/registry/pods/default/web-0' }),
    prefix: variable.text('All keys that begin so.', {
      section: WHICH,
      example: '/registry/pods/default/',
      otherwise: 'all keys, where no key is named',
    }),
    encoding: variable.oneOf(encodings, 'How keys and values are written, here and on the screen.', {
      section: WHICH,
      default: 'text',
    }),
    values: variable.flag('Show the values of a list, too.', { section: WHAT, default: false }),
    limit: variable.integer('How many are listed.', { section: WHAT, default: 1000, min: 1, max: 1_000_000 }),
    out: variable.path('Write the value of the key to this file, as it is.', { section: WHAT }),
    delete: variable.flag('Save them, then delete them.', { section: WHAT, default: false }),
    save_to: variable.path('The folder for what is saved.', {
      section: WHAT,
      otherwise: 'keys in LOCAL_ETCD_BACKUP_DIR',
    }),
    undo: variable.path('Put back what was saved in this file.', { section: WHAT }),
    force: variable.flag('Undo also where there is another value by now, or another cluster.', {
      section: WHAT,
      default: false,
    }),
  },

  async *plays(run) {
    const encoding = run.value('encoding');
    const [keyWord, prefixWord, file] = [run.value('key'), run.value('prefix'), run.value('undo')];
    if ([keyWord, prefixWord, file].filter((one) => one !== undefined).length > 1) {
      throw new InputError('what is wanted: only one of key, prefix and undo', {
        next: 'Say: play keys_etcd -e key=NAME, or -e prefix=BEGINNING, or -e undo=FILE',
      });
    }
    if (file !== undefined && run.value('delete')) {
      throw new InputError('undo and delete exclude each other', { next: 'Leave one of them out.' });
    }
    const out = run.value('out');
    if (out !== undefined && (keyWord === undefined || run.value('delete'))) {
      throw new InputError('out is for one key that is read', { next: 'Say: -e key=NAME -e out=FILE' });
    }
    const isPrefix = keyWord === undefined;
    const wanted = readBytes(keyWord ?? prefixWord ?? '', encoding, isPrefix ? 'prefix' : 'key');
    const saved = file === undefined ? undefined : await checkSaved(file);
    const sessions = new MemberSessions(run, run.hosts);
    const { clusterToken: cluster, localBackupDir } = sessions.first;
    const folder = run.value('save_to') ?? join(localBackupDir ?? join(run.inventoryDir, 'backups'), 'keys');
    const name = spell(wanted, encoding);
    const range = isPrefix ? { key: firstKey(wanted), end: prefixEnd(wanted) } : { key: wanted };
    const clusterId = () => sessions.best().status.clusterId;
    const pagesAt = async function* (revision: bigint, keysOnly: boolean) {
      const { keys } = sessions.best();
      if (isPrefix) yield* walkKeys(keys, { prefix: wanted, revision, keysOnly });
      else yield (await keys.range({ key: wanted, revision, keysOnly })).keys;
    };
    let plan: Extract<KeysPlan, { kind: 'plan' }> | undefined;
    const decide = (decided: KeysPlan) => {
      if (decided.kind === 'refused') throw refusalError(decided.refusals);
      if (decided.kind === 'nothing') return { summary: decided.summary };
      plan = decided;
      for (const warning of plan.warnings) run.say(warning, 'warning');
      run.say(`\n${planText(plan.title, plan.steps)}`);
      return {};
    };
    const look = sessions.ask();

    if (saved) {
      let counts: UndoCounts | undefined;
      yield play('Look', {
        tasks: [
          look,
          once(
            'Plan is made',
            async () => {
              counts = await lookForUndo(sessions.best().keys, readSaved(file!));
              const { missing, same } = counts;
              const other = counts.other.map((key) => spell(key, encoding));
              const endedLeases = counts.endedLeases.size;
              const { count, cluster: savedOf } = saved;
              const force = run.value('force');
              const found = { file: file!, savedOf, count, missing, same, other, endedLeases, force };
              return decide(planUndoKeys({ cluster, clusterId: clusterId(), ...found }));
            },
            { check: 'run' },
          ),
        ],
      });
      if (run.check || !plan || !counts) return;
      if (plan.confirm) await run.confirm(plan.confirm.question, plan.confirm.word);
      const { leases } = counts;
      yield play('Undo', {
        tasks: [
          once('Keys are put back', async () => {
            const options = { leases, overwrite: run.value('force'), onProgress: () => {} };
            const written = await undo(sessions.best().keys, readSaved(file!), options);
            return { changed: written > 0, summary: `${written} of ${saved.count}` };
          }),
          once('Keys are compared', async () => {
            const now = await lookForUndo(sessions.best().keys, readSaved(file!));
            if (now.same === saved.count) return { summary: `${now.same} are as they were saved` };
            throw new PlayError(`${saved.count - now.same} of ${saved.count} keys are not as they were saved`, {
              next: 'Somebody writes or deletes them: stop that, then run again.',
            });
          }),
        ],
      });
      return;
    }

    if (!run.value('delete')) {
      yield play('Look', { tasks: [look] });
      yield play('Read', {
        tasks: [
          once(
            'Keys are read',
            async () => {
              const { keys } = sessions.best();
              const withValues = !isPrefix || run.value('values');
              const found = await keys.range({ ...range, limit: run.value('limit'), keysOnly: !withValues });
              const record = keysRecord(found.keys, found.count, found.revision, withValues);
              const [one] = found.keys;
              if (isPrefix) {
                run.say(listText(found.keys, { encoding, withValues, count: found.count }), 'info', record);
              } else if (one) {
                const seconds = one.lease === 0n ? undefined : await keys.leaseSeconds(one.lease);
                if (out === undefined) run.say(keyText(one, encoding, seconds), 'info', record);
                else await writeNew(out, one.value);
              } else {
                throw new PlayError(`there is no key ${name}`, { next: 'List what there is: -e prefix=BEGINNING' });
              }
              return out === undefined ? {} : { changed: true, summary: `${one!.value.length} bytes in ${out}` };
            },
            { check: out === undefined ? 'run' : 'unknown' },
          ),
        ],
      });
      return;
    }

    let revision = 0n;
    yield play('Look', {
      tasks: [
        look,
        once(
          'Plan is made',
          async () => {
            revision = (await sessions.best().keys.range({ ...range, countOnly: true })).revision;
            const names: string[] = [];
            const leases = new Set<bigint>();
            let [count, leased] = [0, 0];
            for await (const page of pagesAt(revision, true)) {
              count += page.length;
              for (const { key, lease } of page) {
                if (names.length < NAMED) names.push(spell(key, encoding));
                if (lease !== 0n) leased += 1;
                if (lease !== 0n) leases.add(lease);
              }
            }
            if (count > 0)
              run.say(`\n${names.join('\n')}${count > names.length ? `\n… and ${count - names.length} more` : ''}`);
            const found = { name, isPrefix, count, leased, leases: leases.size, folder };
            return decide(planDeleteKeys({ cluster, clusterId: clusterId(), ...found }));
          },
          { check: 'run' },
        ),
      ],
    });
    if (run.check || !plan) return;
    if (plan.confirm) await run.confirm(plan.confirm.question, plan.confirm.word);
    let path = '';
    yield play('Save', {
      tasks: [
        once('Keys are saved', async () => {
          const takenAt = new Date().toISOString();
          const head = { format: 1, kind: 'etcd keys', cluster: { name: cluster, id: clusterId() } } as const;
          const kept = await saveKeys(
            folder,
            { ...head, revision: String(revision), takenAt },
            pagesAt(revision, false),
          );
          path = kept.path;
          await checkSaved(path);
          return { changed: true, summary: path };
        }),
      ],
    });
    yield play('Delete', {
      tasks: [
        once('Keys are deleted', async () => {
          const { deleted, gone, changed } = await deleteSaved(sessions.best().keys, readSaved(path), () => {});
          const words = [`${deleted} deleted`, ...(gone > 0 ? [`${gone} were gone already`] : [])];
          run.say(`\n${words.join(', ')}. To put them back:\n  play keys_etcd -i … -e undo=${path}`);
          if (changed.length === 0) return { changed: deleted > 0, summary: words.join(', ') };
          const named = changed.slice(0, NAMED).map((key) => spell(key, encoding));
          throw new PlayError(
            `${changed.length} keys were written since they were saved, and stay: ${named.join(', ')}`,
            {
              next: 'Run again: they are saved anew. Where they come back again and again, stop who writes them.',
            },
          );
        }),
        once('Nothing is left', async () => {
          const { count } = await sessions.best().keys.range({ ...range, countOnly: true });
          if (count === 0n) return;
          throw new PlayError(`${count} such keys are there again: somebody writes them`, {
            next: 'Stop who writes them, then run again. What was deleted is saved.',
          });
        }),
      ],
    });
  },
});

async function writeNew(path: string, value: Buffer): Promise<void> {
  await writeFile(path, value, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw new PlayError(`${path} cannot be written: ${error.message}`, { cause: error });
    throw new PlayError(`${path} is there already`, { next: 'Name a file that is not there yet.' });
  });
}
