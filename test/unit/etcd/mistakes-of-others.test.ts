import { describe, expect, it } from 'vitest';
import { parseBackupFileName } from '../../../src/etcd/backup/naming.ts';
import { expired } from '../../../src/etcd/backup/retention.ts';
import { certain } from '../../../src/etcd/live/certain.ts';
import { planAdd } from '../../../src/etcd/plan/add.ts';
import { planCreate } from '../../../src/etcd/plan/create.ts';
import { planDelete } from '../../../src/etcd/plan/delete.ts';
import { planReplace } from '../../../src/etcd/plan/replace.ts';
import { canBump, planRestore } from '../../../src/etcd/plan/restore.ts';
import { assess, memberAt, memberNamed } from '../../../src/etcd/plan/sight.ts';
import { ensurePki, planPki } from '../../../src/pki/store.ts';
import { request, temporaryDir } from '../pki/workshop.ts';
import { CA, Wanted, withFacts } from './plan/observed.ts';
import { look, type SimulatedHost, settingsOf, type World } from './plan/simulator.ts';

/** What other tools did to people's clusters, each by the place where it was reported. */

const VERSION = '3.5.16';
const base = { complaints: [], ca: CA, certLocalDir: '/inv/pki' };

/** Hosts h1 … hN, all members and well, but for what is said of some. */
function world(size: number, changes: Record<string, Partial<SimulatedHost>> = {}): World {
  const names = Array.from({ length: size }, (_, n) => `h${n + 1}`);
  const settings = names.map((host) => settingsOf(VERSION, host));
  const pairs = settings.map(({ name, advertisePeerUrl }) => ({ name, peerUrl: advertisePeerUrl }));
  return {
    version: VERSION,
    hosts: names.map((host) => ({
      host,
      reachable: true,
      installed: true,
      pairs,
      enabled: true,
      running: true,
      data: `id-${host}`,
      directory: true,
      ...changes[host],
    })),
    members: pairs.map(({ name, peerUrl }, n) => ({ id: `id-${names[n]}`, peerUrl, name, isLearner: false })),
  };
}

const refusals = (plan: { kind: string; refusals?: { host?: string; reason: string }[] }) =>
  plan.refusals?.map(({ host, reason }) => `${host ?? 'all'}: ${reason}`).join('\n') ?? '';

describe('kubernetes-sigs/kubespray#13261: an unhealthy cluster was rendered `new`, and an empty directory became a second cluster', () => {
  const wanted = new Wanted(3);

  it('a host without data is never started as a new cluster where the others have some, whether they answer or not', () => {
    for (const others of [wanted.stopped('h2'), wanted.serving('h2')]) {
      const lost = withFacts(wanted.stopped('h1'), {
        data: { kind: 'none', walFiles: 0, database: false, entries: [] },
      });
      const plan = planCreate({
        hosts: [lost, others, wanted.stopped('h3')],
        limited: wanted.hosts,
        ca: CA,
        certLocalDir: '/inv/pki',
      });
      expect(plan.kind).toBe('refused');
      expect(refusals(plan)).toContain('h1: ');
    }
  });
});

describe('kubernetes/kubeadm#3317: a change that timed out had been made, and was made again', () => {
  it('after an error the cluster is read before anything else', async () => {
    let reads = 0;
    const timedOut = () => Promise.reject(new Error('4 DEADLINE_EXCEEDED'));
    await certain(timedOut, async () => {
      reads++;
      return true;
    });
    expect(reads).toBe(1);
    await expect(certain(timedOut, async () => false)).rejects.toThrow('did not take the change: 4 DEADLINE_EXCEEDED');
  });

  it('a member that was added by such a change is gone on with, not added twice', () => {
    const one = world(4, { h4: { running: false, data: undefined } });
    const added = {
      ...one,
      members: one.members.map((m) => (m.id === 'id-h4' ? { ...m, name: '', isLearner: true } : m)),
    };
    const plan = planAdd({ sight: look(added), limited: ['h4'], ...base });
    expect(plan.kind === 'plan' && plan.actions.map(({ action }) => action.do)).toEqual(['start', 'promote']);
  });
});

describe('kubernetes-sigs/kubespray#11482: 10.20.0.2 was taken for 10.20.0.21', () => {
  it('members are told apart by ID and whole address', () => {
    const state = assess(look(world(9)));
    expect(memberNamed(state, 'https://10.0.0.1:2380')).toEqual([]);
    expect(memberNamed(state, 'etcd-h')).toEqual([]);
    expect(memberNamed(state, 'https://10.0.0.11:2380').map(({ host }) => host)).toEqual(['h1']);
    expect(memberAt(state, 'h1')?.member.id).toBe('id-h1');
  });
});

describe('kubernetes-sigs/etcdadm#126: no process ran, so the member was taken for removed; the last one was deleted', () => {
  it('a member that is stopped is still a member: it is removed, and by a quorum', () => {
    const plan = planDelete({
      sight: look(world(3, { h3: { running: false } })),
      limited: ['h3'],
      member: undefined,
      purge: false,
    });
    expect(plan.kind === 'plan' && plan.actions[0]?.action).toEqual({ do: 'remove', id: 'id-h3', name: 'h3' });
  });

  it('the last member is not deleted, running or not', () => {
    for (const running of [true, false]) {
      const plan = planDelete({
        sight: look(world(1, { h1: { running } })),
        limited: ['h1'],
        member: undefined,
        purge: true,
      });
      expect(refusals(plan)).toMatch(/last member|no member of a cluster answers/);
    }
  });

  it('what cannot be undone is asked for', () => {
    const plan = planDelete({ sight: look(world(3)), limited: ['h3'], member: undefined, purge: false });
    expect(plan.kind === 'plan' && plan.confirm).toMatchObject({
      word: 'h3',
      question: expect.stringContaining('2 is an even number'),
    });
  });
});

describe('ansible/ansible#18782: a host that could not be reached was left out, and the next one was changed', () => {
  it('with a member out of reach no other is added, and the one it would cost the quorum is not taken out', () => {
    const away = look(world(3, { h2: { reachable: false, running: false } }));
    expect(refusals(planDelete({ sight: away, limited: ['h3'], member: undefined, purge: false }))).toContain(
      'of the 2 members that would remain 1 serve',
    );
    const four = world(4, {
      h2: { reachable: false },
      h4: { running: false, data: undefined, installed: false, pairs: undefined, enabled: false, directory: false },
    });
    const sight = look({ ...four, members: four.members.slice(0, 3) });
    expect(refusals(planAdd({ sight, limited: ['h4'], ...base }))).toContain(
      'h2: this member does not serve: its host cannot be reached',
    );
  });
});

describe('kubernetes-sigs/kubespray#13353: all certificates were issued anew at each run', () => {
  it('what is good is left as it is', async () => {
    const dir = temporaryDir();
    await ensurePki(request(dir));
    const { ca, leaves } = await planPki(request(dir));
    expect([ca.action, ...leaves.map(({ action }) => action)].every((action) => action === 'keep')).toBe(true);
  });
});

describe('k3s-io/k3s#10292: retention went by parts of names, and removed what it should have kept', () => {
  const at = (day: number, verified: boolean) => {
    const takenAt = new Date(Date.UTC(2026, 7, day));
    return { name: `day ${day}`, clusterId: 'a', revision: BigInt(day), takenAt, rankedAt: takenAt, verified };
  };

  it('the newest that was verified is never removed, however many unproven ones are newer', () => {
    const all = [at(1, true), at(2, false), at(3, false)];
    expect(expired(all, 'a', { last: 1 }, new Date(Date.UTC(2026, 7, 4))).map(({ name }) => name)).not.toContain(
      'day 1',
    );
  });

  it('a name is read as a whole: one that only begins like a backup is none', () => {
    expect(parseBackupFileName('etcd_a_20260801T030000Z_r5.db')).toBeDefined();
    for (const name of ['etcd_a_20260801T030000Z_r5.db.old', 'my-etcd_a_20260801T030000Z_r5.db', 'etcd_a_2026_r5.db']) {
      expect(parseBackupFileName(name)).toBeUndefined();
    }
  });
});

describe('openshift/cluster-etcd-operator#1626: the data were wiped before the snapshot was looked at', () => {
  const backup = { file: 'x.db', revision: 5n, keyCount: 3n, sizeBytes: 1000, takenAt: undefined, cluster: undefined };
  const ask = (sight = look(world(3))) =>
    planRestore({
      sight,
      allHosts: ['h1', 'h2', 'h3'],
      limited: ['h1', 'h2', 'h3'],
      backup,
      version: VERSION,
      clusterToken: 'etcd-cluster',
      revisionNow: 9n,
      ...base,
      freeBytes: new Map(),
      safety: true,
    });

  it('a plan to restore needs a backup that was proven, and stops nothing before it lies restored beside the data', () => {
    const plan = ask();
    const steps = plan.kind === 'restore' ? plan.steps.map(({ does }) => does) : [];
    const restored = steps.findIndex((does) => does.includes('restore it beside'));
    expect(restored).toBeGreaterThan(steps.findIndex((does) => does.includes('safety backup')));
    expect(steps.findIndex((does) => does.startsWith('stop'))).toBeGreaterThan(restored);
    expect(steps.join()).not.toMatch(/delete|wipe/);
  });

  it('a host that cannot be reached would go on with the old data: nothing is restored beside it', () => {
    expect(refusals(ask(look(world(3, { h3: { reachable: false } }))))).toContain('h3: it cannot be reached');
  });
});

describe('etcd-io/etcd#16028: after a restore watchers held a revision from the future', () => {
  it.each([
    ['3.3.25', false],
    ['3.4.23', false],
    ['3.4.27', true],
    ['3.5.9', false],
    ['3.5.10', true],
    ['3.6.5', true],
  ])('etcd %s raises the revision: %s', (version, can) => expect(canBump(version)).toBe(can));
});

describe('a lost member was started on an empty directory', () => {
  it('it is replaced: taken out first, then added anew', () => {
    const lost = look(
      world(3, {
        h3: { running: false, data: undefined, directory: false, pairs: undefined, installed: false, enabled: false },
      }),
    );
    const plan = planReplace({ sight: lost, limited: ['h3'], replacement: undefined, force: false, ...base });
    expect(plan.kind === 'plan' && plan.actions.map(({ action }) => action.do)).toEqual([
      'remove',
      'prepare',
      'add',
      'start',
      'promote',
    ]);
    expect(refusals(planAdd({ sight: lost, limited: ['h3'], ...base }))).toContain(
      'h3: it is a member already, and does not serve',
    );
  });
});
