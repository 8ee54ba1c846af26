import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError, once, PlayError, play, playbook, step, variable } from 'etcd-play';
import {
  type ClusterDoor,
  type Copied,
  compareSides,
  copyDifferences,
  cutOverText,
  etcdVariables,
  extraPolicies,
  type Followed,
  firstKey,
  follow,
  MemberSessions,
  type MirrorFound,
  type MirrorPlan,
  openDestination,
  overlaps,
  planMirror,
  planText,
  prefixEnd,
  refusalError,
  type Sides,
  saveKeys,
  spell,
} from 'etcd-play/etcd';

const TO = 'To where';
const WHICH = 'Which keys';
const HOW = 'How';
const NAMED = 10;
/** As often as the lag is told in a long run. */
const TELL_MS = 10_000;
/** One that reaches where the source was, within this time, keeps pace with it. */
const PACE_MS = 1_500;
const ASK_MS = 250;

export default playbook({
  name: 'mirror_etcd',
  description: 'mirror the keys of this cluster to another one, and compare them: -e to=GROUP, FILE or https://…',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  // It changes nothing on the hosts, and needs no more of them than a way to etcd.
  lock: false,
  become: false,
  whole: true,
  variables: {
    to: variable.text(
      'The other cluster: a group of this inventory, an inventory file, or addresses (https://h:2379,…).',
      {
        section: TO,
        required: true,
        example: 'etcd_new',
      },
    ),
    to_ca: variable.path('For addresses: the CA of the other cluster.', { section: TO }),
    to_cert: variable.path('For addresses: the client certificate.', { section: TO }),
    to_key: variable.path('For addresses: its key.', { section: TO }),
    to_server_name: variable.text('For addresses: the name in its certificates.', { section: TO }),
    prefix: variable.text('Only keys that begin so.', { section: WHICH, otherwise: 'all keys' }),
    dest_prefix: variable.text('What they begin with over there.', { section: WHICH, otherwise: 'the same' }),
    no_dest_prefix: variable.flag('Over there they lose their beginning.', { section: WHICH, default: false }),
    extra: variable.oneOf(extraPolicies, 'What is done with keys over there that the source does not have.', {
      section: HOW,
      default: 'refuse',
    }),
    follow: variable.duration('How long changes are followed, before both are compared.', {
      section: HOW,
      otherwise: 'until it is level',
      min: '1s',
      example: '12h',
    }),
    save_to: variable.path('The folder for values that are overwritten or deleted over there.', {
      section: HOW,
      otherwise: 'keys in LOCAL_ETCD_BACKUP_DIR',
    }),
  },

  async *plays(run) {
    const to = run.value('to');
    const prefix = run.value('prefix') ?? '';
    if (run.value('no_dest_prefix') && run.value('dest_prefix') !== undefined) {
      throw new InputError('dest_prefix and no_dest_prefix exclude each other', { next: 'Leave one of them out.' });
    }
    const destPrefix = run.value('no_dest_prefix') ? '' : (run.value('dest_prefix') ?? prefix);
    const mapping = { prefix: Buffer.from(prefix), destPrefix: Buffer.from(destPrefix) };
    const [policy, followMs] = [run.value('extra'), run.value('follow')];
    const source = new MemberSessions(run, run.hosts);
    const destination: ClusterDoor = await openDestination(run, to, {
      ca: run.value('to_ca'),
      cert: run.value('to_cert'),
      key: run.value('to_key'),
      serverName: run.value('to_server_name'),
    });
    const { localBackupDir } = source.first;
    const folder = run.value('save_to') ?? join(localBackupDir ?? join(run.inventoryDir, 'backups'), 'keys');
    const deletesExtra = policy === 'delete';
    let plan: Extract<MirrorPlan, { kind: 'plan' }> | undefined;
    let found: MirrorFound | undefined;
    const followed: Followed = { revision: 0n, written: 0, deleted: 0 };

    /** Both sides as they are now, the source at a revision of its past where that is wanted. */
    const sidesAt = async (fromRevision?: bigint): Promise<Sides> => {
      const [from, there] = [source.best(), destination.best()];
      const range = (start: Buffer) => ({ key: firstKey(start), end: prefixEnd(start), countOnly: true });
      const { revision: toRevision } = await there.keys.range(range(mapping.destPrefix));
      fromRevision ??= (await from.keys.range(range(mapping.prefix))).revision;
      return { from: from.keys, fromRevision, to: there.keys, toRevision, mapping };
    };

    yield play('Look', {
      tasks: [
        source.ask(),
        once(
          'Other cluster is asked',
          async () => {
            await destination.askUntilLed();
            const { status } = destination.best();
            return { summary: `${destination.name}: etcd ${status.version}` };
          },
          { check: 'run' },
        ),
        once(
          'Plan is made',
          async () => {
            found = await lookAtBoth(await sidesAt());
            const decided = planMirror(found);
            if (decided.kind === 'refused') throw refusalError(decided.refusals);
            plan = decided;
            for (const warning of plan.warnings) run.say(warning, 'warning');
            run.say(`\n${planText(plan.title, plan.steps)}`);
          },
          { check: 'run' },
        ),
      ],
    });
    if (run.check || !plan || !found) return;
    if (plan.confirm) await run.confirm(plan.confirm.question, plan.confirm.word);
    const { host } = source.best();

    if (plan.saves) {
      yield play('Save', {
        tasks: [
          once('Values of the other cluster are saved', async () => {
            const sides = await sidesAt();
            const head = {
              format: 1,
              kind: 'etcd keys',
              cluster: { name: nameForFile(destination.name), id: destination.best().status.clusterId },
              revision: String(sides.toRevision),
              takenAt: new Date().toISOString(),
            } as const;
            const { path, count } = await saveKeys(folder, head, lostIn(sides));
            return { changed: true, summary: `${count} in ${path}` };
          }),
        ],
      });
    }

    yield play('Copy', {
      hosts: [host],
      tasks: [
        step('Keys are copied', async ({ progress }) => {
          const sides = await sidesAt();
          const onProgress = (seen: number) => progress(seen, Math.max(seen, found!.keys));
          const begun = performance.now();
          const copied = await copyDifferences(
            { ...sides, to: destination.best().keys },
            { deletesExtra, signal: run.signal, onProgress },
          );
          followed.revision = sides.fromRevision;
          return {
            changed: copiedSum(copied) > 0,
            summary: `${copiedText(copied)}, ${seconds(performance.now() - begun)}`,
          };
        }),
      ],
    });

    yield play('Follow', {
      hosts: [host],
      tasks: [
        step('Changes are followed', async ({ signal }) => {
          const before = followed.written + followed.deleted;
          await followUntil(signal);
          const made = followed.written + followed.deleted - before;
          const summary = `${followed.written} written, ${followed.deleted} deleted, up to revision ${followed.revision}`;
          return { changed: made > 0, summary };
        }),
      ],
    });

    yield play('Compare', {
      hosts: [host],
      tasks: [
        step('Both sides are compared', async ({ progress }) => {
          const sides = await sidesAt(followed.revision);
          const differ = { missing: 0, other: 0, extra: 0 };
          const named: string[] = [];
          let seen = 0;
          for await (const { differences, seen: more } of compareSides(sides)) {
            seen += more;
            progress(seen, Math.max(seen, found!.keys));
            for (const { kind, key } of differences) {
              if (kind === 'extra' && policy === 'keep') continue;
              differ[kind] += 1;
              if (named.length < NAMED) named.push(`${spell(key, 'text')} (${kind})`);
            }
          }
          const sum = differ.missing + differ.other + differ.extra;
          if (sum > 0) {
            throw new PlayError(`${sum} of ${seen} keys differ: ${named.join(', ')}${sum > named.length ? ' …' : ''}`, {
              next: 'Somebody writes to the other cluster. Stop that, then run again: only what differs is copied.',
            });
          }
          run.say(
            `\n${seen} keys are equal on both sides, as of revision ${followed.revision} of ${source.name}.`,
            'info',
            {
              kind: 'mirror',
              keys: seen,
              revision: String(followed.revision),
              written: followed.written,
              deleted: followed.deleted,
            },
          );
          return { summary: `${seen} are equal` };
        }),
        once('Cut-over is shown', async () => {
          const { revision } = await source.best().member.status();
          const words = [
            'to',
            'prefix',
            'dest_prefix',
            'no_dest_prefix',
            'to_ca',
            'to_cert',
            'to_key',
            'to_server_name',
          ] as const;
          const given = words.flatMap((name) => {
            const value = run.value(name);
            return value === undefined || value === false ? [] : [`-e ${name}=${value}`];
          });
          const again = ['play mirror_etcd -i …', ...given].join(' ');
          const behind = revision > followed.revision ? revision - followed.revision : 0n;
          run.say(cutOverText({ endpoints: destination.endpoints, again, behind }));
        }),
      ],
    });

    async function lookAtBoth(sides: Sides): Promise<MirrorFound> {
      const [from, there] = [source.best().status, destination.best().status];
      const counts = { missing: 0, other: 0, extra: 0 };
      const namedExtra: string[] = [];
      let [keys, leased] = [0, 0];
      for await (const page of compareSides(sides)) {
        keys += page.seen;
        leased += page.leased;
        for (const { kind, key } of page.differences) {
          counts[kind] += 1;
          if (kind === 'extra' && namedExtra.length < NAMED) namedExtra.push(spell(key, 'text'));
        }
      }
      const one = async (key: string) =>
        (await sides.from.range({ key: Buffer.from(key), countOnly: true })).count > 0n;
      const kubernetes = Buffer.from('/registry/');
      const isKubernetes = '/registry/'.startsWith(prefix) || prefix.startsWith('/registry/');
      const some = isKubernetes
        ? await sides.from.range({ key: kubernetes, end: prefixEnd(kubernetes), countOnly: true })
        : undefined;
      return {
        from: { name: source.name, id: from.clusterId },
        to: { name: destination.name, id: there.clusterId },
        prefix,
        destPrefix,
        overlaps: overlaps(mapping),
        keys,
        leased,
        nameless: destPrefix === '' && prefix !== '' && (await one(prefix)) ? 1 : 0,
        isKubernetes: (some?.count ?? 0n) > 0n,
        ...counts,
        namedExtra,
        policy,
        follow: followMs === undefined ? undefined : seconds(followMs),
        folder,
      };
    }

    /** Values over there that will be no more. */
    async function* lostIn(sides: Sides) {
      for await (const { differences } of compareSides(sides)) {
        const lost = differences.flatMap((one) =>
          one.kind === 'other' || (one.kind === 'extra' && deletesExtra) ? [one.there] : [],
        );
        if (lost.length > 0) yield lost;
      }
    }

    /** Until it is level with the source, or its time is over. */
    async function followUntil(ended: AbortSignal): Promise<void> {
      const enough = new AbortController();
      const signal = AbortSignal.any([ended, enough.signal]);
      const onLost = (error: PlayError) =>
        run.say(`${error.host ?? source.name}: ${error.message}; it is tried again`, 'warning');
      const following = follow({ from: source, to: destination, mapping, signal, followed, onLost });
      following.catch(() => enough.abort());
      const until = followMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + followMs;
      let told = performance.now();
      let asked = { revision: await revisionNow(), at: performance.now() };
      while (!signal.aborted) {
        const now = performance.now();
        const isLevel = followed.revision >= asked.revision;
        if (isLevel && now - asked.at < PACE_MS && (followMs === undefined || now >= until)) break;
        // Time is over, but what has happened until then is still to come.
        if (now >= until + 60_000) break;
        if (isLevel || now - asked.at > PACE_MS) asked = { revision: await revisionNow(), at: performance.now() };
        if (now - told >= TELL_MS) {
          told = now;
          const lag = asked.revision > followed.revision ? asked.revision - followed.revision : 0n;
          const counts = `${followed.written} written, ${followed.deleted} deleted`;
          run.say(`revision ${followed.revision}, ${lag} behind ${source.name}; ${counts}`, 'info', {
            kind: 'mirror-lag',
            revision: String(followed.revision),
            lag: Number(lag),
            written: followed.written,
            deleted: followed.deleted,
          });
        }
        await sleep(isLevel && followMs === undefined ? 10 : ASK_MS);
      }
      enough.abort();
      await following;
    }

    /** The last that is known, where nobody can be asked just now. */
    async function revisionNow(): Promise<bigint> {
      try {
        return (await source.best().member.status()).revision;
      } catch {
        return followed.revision + 1n;
      }
    }
  },
});

const copiedSum = ({ written, overwritten, deleted }: Copied) => written + overwritten + deleted;
const copiedText = ({ written, overwritten, deleted }: Copied) =>
  `${written} written, ${overwritten} overwritten, ${deleted} deleted`;
const nameForFile = (name: string) => name.replace(/^https?:\/\//, '').replace(/[^A-Za-z0-9.-]+/g, '-');

function seconds(ms: number): string {
  if (ms >= 3_600_000) return `${Math.round(ms / 360_000) / 10} h`;
  return ms >= 60_000 ? `${Math.round(ms / 6_000) / 10} min` : `${Math.round(ms / 100) / 10} s`;
}
