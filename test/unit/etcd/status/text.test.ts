import { describe, expect, it } from 'vitest';
import { judgeStatus } from '../../../../src/etcd/status/judge.ts';
import { statusRecord } from '../../../../src/etcd/status/record.ts';
import { statusText } from '../../../../src/etcd/status/text.ts';
import { all, certificate, issued, lost, sightOf, telling } from './sight.ts';

const large = {
  dbSizeBytes: 812 * 1024 ** 2,
  dbInUseBytes: 700 * 1024 ** 2,
  raftIndex: 123456789n,
  appliedIndex: 123456789n,
};

describe('a cluster in tables', () => {
  it('fits 100 columns, with large numbers too', async () => {
    const { ca, leaf } = await issued(300);
    const certificates = (['server', 'peer', 'client'] as const).map((kind) => certificate(leaf, { kind }));
    const hosts = all().map((seen) => telling(seen, large));
    const text = statusText(sightOf(hosts, { certificates, authorities: [ca] }), 'orders');
    for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(100);
    expect(text).toContain('Cluster orders (c1), etcd 3.5.16: 3 of 3 serve, 2 are needed');
    expect(text).toContain('| 10.0.0.11:2380,2379  | 812.0M / 700.0M | 2    | 123456789 / 123456789 |');
    expect(text).toMatch(/\| h1 +\| 300 +\| 300 +\| 300 +\|/);
  });

  it('shows which certificate lies where, where they are not the same', async () => {
    const [{ ca, leaf }, other] = [await issued(300), await issued(20)];
    const certificates = [
      certificate(leaf, { served: other.leaf }),
      certificate(leaf, { kind: 'peer', served: undefined }),
      certificate(leaf, { kind: 'client', served: undefined }),
    ];
    const text = statusText(sightOf(all(), { certificates, authorities: [ca] }), 'orders');
    expect(text).toMatch(/\| h1 +\| 20 \/ 300 \/ 300 +\| - \/ 300 \/ 300 +\| 300 +\|/);
  });

  it('shows hosts where no member answers', () => {
    const text = statusText(sightOf([], { lost: [lost('h1')] }), 'orders');
    expect(text).toContain('Cluster orders: no member answers');
    expect(text).toMatch(/\| h1 +\| UNREACHABLE/);
  });
});

it.each([
  ['ok', () => sightOf(all())],
  ['warning', () => sightOf(all(), { wantedVersion: '3.5.30' })],
  ['critical', () => sightOf(all().slice(0, 2), { lost: [lost('h3')], wantedVersion: '3.5.30' })],
])('the record says %s, and survives JSON', (verdict, make) => {
  const sight = make();
  const record = statusRecord(sight, judgeStatus(sight), 'orders');
  expect(record).toMatchObject({
    kind: 'status',
    verdict,
    cluster: { name: 'orders', id: 'c1', voters: 3, quorum: 2 },
  });
  expect(JSON.parse(JSON.stringify(record))).toEqual(record);
});
