import { expect, it } from 'vitest';
import { assess } from '../../../../src/etcd/plan/sight.ts';
import { stillDue } from '../../../../src/etcd/recover/join-all.ts';
import { status, Wanted } from '../plan/observed.ts';

const wanted = new Wanted(3);
const [h1, h2, h3] = wanted.hosts as [string, string, string];

/** The list of the new cluster, and who of it serves. */
function dueWith(listed: readonly string[], serving: readonly string[], hosts: readonly string[]): string[] {
  const seen = wanted.hosts.map((host) =>
    serving.includes(host)
      ? {
          ...wanted.serving(host),
          api: { status: status(host), members: wanted.members(wanted.hosts).slice(0, listed.length) },
        }
      : wanted.prepared(host, 'existing'),
  );
  return stillDue(assess({ hosts: seen, lost: [] }), hosts);
}

it.each([
  ['nobody has joined yet', [h1], [h1], [h2, h3], [h2, h3]],
  ['who serves is through', [h1, h2], [h1, h2], [h2, h3], [h3]],
  ['who was added already comes first', [h1, h2], [h1], [h3, h2], [h2, h3]],
  ['all are through', [h1, h2, h3], [h1, h2, h3], [h2, h3], []],
])('who has to join: %s', (_, listed, serving, hosts, due) => {
  expect(dueWith(listed, serving, hosts)).toEqual(due);
});
