import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone, wasUnharmed } from './cluster.ts';

const LAB = 'mx-old';
let lab: Lab;

beforeAll(async () => {
  for (const version of ['3.3.25', '3.4.23']) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true });
});
afterAll(() => lab?.down());

describe.each(['3.3.25', '3.4.23'])('etcd %s', (version) => {
  it('grows from one to three, loses its leader, replaces a wiped host, and shrinks to two', async () => {
    const three = ['h1', 'h2', 'h3'];
    const learns = version !== '3.3.25';
    const cluster = await Cluster.of(lab, version, ['h1']);
    const first = await cluster.add('h2', ['h1', 'h2']);
    expectDone(first);
    // Before learners the first member waits for the second.
    if (learns) expect(first.text).toContain('as a learner');
    else expect(first.text).toContain('nothing is written until it has started');
    const traffic = await cluster.traffic(['h1', 'h2']);
    expectDone(await cluster.add('h3', three));
    await cluster.isOf(three);
    traffic.use(cluster.endpoints(three));
    // A host that loses its power takes its leadership with it: that gap is etcd's own.
    await traffic.apart(lab.wipe('h3'));
    traffic.use(cluster.endpoints(['h1', 'h2']));
    expectDone(await cluster.replace('h3', three));
    const leader = await cluster.leader(three);
    const shrunk = await cluster.delete(leader, three);
    expectDone(shrunk);
    expect(shrunk.text).toContain('2 is an even number of members');
    await cluster.isOf(three.filter((host) => host !== leader));
    await wasUnharmed(traffic, `add, replace and delete, etcd ${version}`, 5_000);
  });
});
