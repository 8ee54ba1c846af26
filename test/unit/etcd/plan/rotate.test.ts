import { describe, expect, it } from 'vitest';
import { refuseOtherCa } from '../../../../src/etcd/plan/create-refusals.ts';
import { planAuthority, planOutage, planRotateLeaves } from '../../../../src/etcd/plan/rotate.ts';
import { act, freshWorld, lookAt, type RotationWorld, words } from './rotation-world.ts';

const reasons = (plan: ReturnType<typeof planAuthority>) =>
  plan.kind === 'refused' ? plan.refusals.map(({ reason, next }) => `${reason} → ${next}`).join('\n') : 'planned';
const at = (stage: RotationWorld['stage']): RotationWorld => ({ ...freshWorld(3), stage });
const changedAt = (minutesAgo: number) => new Date(-minutesAgo * 60_000);

describe('a change of CA', () => {
  const asked = lookAt(freshWorld(3));
  const { rotation } = asked;
  it.each([
    ['-l leaves hosts out', { ...asked, limited: ['h1'] }, /for a whole cluster, and -l leaves out h2, h3/],
    ['nothing is to go back from', { ...asked, back: true }, /no change of CA is under way/],
    [
      'the last phase has begun, and the way back is asked for',
      lookAt(at('new'), { back: true }),
      /a change with an outage|last phase has begun/,
    ],
    [
      'a host is lost',
      {
        ...asked,
        sight: {
          hosts: asked.sight.hosts.slice(1),
          lost: [{ host: 'h1', settings: asked.sight.hosts[0]!.settings, reason: 'no route' }],
        },
      },
      /does not serve: its host cannot be reached/,
    ],
    [
      'the CA has ended',
      { ...asked, rotation: { ...rotation, endedAt: new Date(0) } },
      /the CA ended on 1970-.*: members refuse each other and us → .*-e outage=accept/,
    ],
  ])('is refused where %s', (_, request, words) => expect(reasons(planAuthority(request))).toMatch(words));

  it('is refused where a member is down that is not to be restarted', () => {
    const world = freshWorld(3);
    const hosts = world.hosts.map((one) => (one.host === 'h3' ? { ...one, running: undefined } : one));
    const plan = planAuthority(lookAt({ ...world, hosts }));
    // Before anything was begun it is none of this change: it is brought back first.
    expect(plan.kind === 'plan' ? words(plan.actions)[0] : 'refused').toMatch(/refused|make/);
  });

  it.each([
    [3, 0],
    [11, 12],
  ])('is not begun again %i minutes after the last one, unless that is long ago', (minutes, steps) => {
    const plan = planAuthority({ ...asked, rotation: { ...rotation, changedAt: changedAt(minutes) } });
    expect(plan.kind === 'plan' && plan.actions.length > 0).toBe(steps > 0);
  });

  it('is begun again right after the last one where that is asked for', () => {
    const plan = planAuthority({ ...asked, again: true, rotation: { ...rotation, changedAt: changedAt(3) } });
    expect(plan.kind === 'plan' && plan.actions.length).toBeGreaterThan(10);
  });

  it('shows each step with its phase, and that the third cannot be undone', () => {
    const plan = planAuthority(asked);
    const text =
      plan.kind === 'plan' ? plan.actions.map(({ step }) => `${step.does}; undo: ${step.undo}`).join('\n') : '';
    expect(text).toMatch(/phase 1: make a new CA.*\n.*phase 1: ca\.pem holds both/);
    expect(text).toMatch(/phase 3: ca\.pem holds the new CA alone; undo: no/);
  });

  it('with an outage stops all at once, and says that nothing is served', () => {
    const plan = planOutage(asked);
    expect(plan.kind === 'plan' && plan.actions.find(({ action }) => action.do === 'all at once')?.step.quorum).toMatch(
      /NOTHING IS SERVED/,
    );
  });

  it('with an outage is made although nobody answers, once the CA has ended', () => {
    const hosts = asked.sight.hosts.map((one) => ({ ...one, api: undefined, status: undefined, peers: undefined }));
    const silent = { ...asked, sight: { hosts, lost: [] } };
    expect(reasons(planOutage(silent))).toMatch(/no member of a cluster answers/);
    const plan = planOutage({ ...silent, rotation: { ...rotation, endedAt: new Date(0) } });
    expect(reasons(plan)).toBe('planned');
    expect(plan.kind === 'plan' && words(plan.actions)).toEqual(
      words((planOutage(asked) as typeof plan & { kind: 'plan' }).actions),
    );
  });
});

describe('a change of CA that is half done', () => {
  it.each([
    [
      'only the control machine trusts both',
      ['both, old signs', 'old'],
      /a change of CA is half done: h1, h2, h3 have not all .*play rotate_certs_etcd/,
    ],
    [
      'only the control machine trusts the new one alone',
      ['new', 'both'],
      /a change of CA is half done: .*-e back=true/,
    ],
    ['nothing is in common', ['new', 'old'], /trust another CA than the one in .*play rotate_certs_etcd -e ca=true/],
  ] as const)('is named to whoever adds or creates where %s', (_, [stage, file], words) => {
    const world = { ...freshWorld(3), stage };
    const { sight, ca } = lookAt({ ...world, hosts: world.hosts.map((one) => ({ ...one, file })) });
    const refusals = refuseOtherCa({ hosts: sight.hosts, limited: [], ca, certLocalDir: '/inv/pki' });
    expect(refusals.map(({ reason, next }) => `${reason} → ${next}`).join()).toMatch(words);
  });

  it('is no matter where all hosts have what the control machine has', () => {
    const world = { ...freshWorld(3), stage: 'both, old signs' as const };
    const { sight, ca } = lookAt({ ...world, hosts: world.hosts.map((one) => ({ ...one, file: 'both' as const })) });
    expect(refuseOtherCa({ hosts: sight.hosts, limited: [], ca, certLocalDir: '/inv/pki' })).toEqual([]);
  });
});

describe('new certificates alone', () => {
  it('are refused in the middle of a change of CA, which is named', () => {
    const made = act(freshWorld(3), { do: 'authority', steps: ['make'] });
    expect(reasons(planRotateLeaves(lookAt(made)))).toMatch(/a change of CA is half done .*-e back=true/);
  });

  it('are one step for all hosts, without a restart', () => {
    const asked = lookAt(freshWorld(3));
    const due = (host: string) => ['client', `etcd-${host}-peer`, `etcd-${host}-server`];
    const files = new Map([...asked.files].map(([host, one]) => [host, { ...one, due: due(host) }]));
    const plan = planRotateLeaves({ ...asked, files });
    expect(plan.kind === 'plan' && words(plan.actions)).toEqual([
      JSON.stringify({
        do: 'certificates',
        hosts: ['h1', 'h2', 'h3'],
        issue: [
          'client',
          'etcd-h1-peer',
          'etcd-h1-server',
          'etcd-h2-peer',
          'etcd-h2-server',
          'etcd-h3-peer',
          'etcd-h3-server',
        ],
      }),
    ]);
  });
});
