import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prefixEnd } from '../../../../src/etcd/grpc/keys.ts';
import { message } from '../../../../src/etcd/grpc/protobuf.ts';
import type { GrpcSession } from '../../../../src/etcd/grpc/session.ts';
import { tellsProgress, watchKeys } from '../../../../src/etcd/grpc/watch.ts';
import { OwnEtcd } from '../keys/own-etcd.ts';

/** What is told of the keys with a prefix after a revision, until all of it is there. */
async function told(session: GrpcSession, prefix: string, after: bigint, ...all: string[]): Promise<Set<string>> {
  const ending = new AbortController();
  const words = new Set<string>();
  const tell = (...more: string[]) => {
    for (const word of more) words.add(word);
    if (all.every((word) => words.has(word))) ending.abort();
  };
  await watchKeys(session, 'one', {
    key: Buffer.from(prefix),
    end: prefixEnd(Buffer.from(prefix)),
    after,
    signal: ending.signal,
    onEvents: async (events) => tell(...events.map(({ kv }) => `${kv.key}=${kv.value}`)),
    onProgress: (revision) => tell(`up to ${revision}`),
  });
  return words;
}

// 3.5.30 tells no progress to who waits for a revision that is still to come.
describe.each(['3.3.25', '3.4.23', '3.5.16', '3.5.30'])('a watch of etcd %s', (version) => {
  let etcd: OwnEtcd;
  beforeAll(async () => {
    etcd = await OwnEtcd.start(version);
  }, 60_000);
  afterAll(() => etcd?.stop());

  it('tells how far it is though nobody writes, and nothing twice', async () => {
    await etcd.fill({ 'quiet/a': '1', 'quiet/b': '2' });
    const { revision } = await etcd.member.status();
    const here = `up to ${revision}`;
    expect(await told(etcd.session, 'quiet/', revision, here)).toEqual(new Set([here]));
    const words = [here, 'quiet/b=2'];
    expect(await told(etcd.session, 'quiet/', revision - 1n, ...words)).toEqual(new Set(words));
    await etcd.put('elsewhere', '3');
    const there = `up to ${revision + 1n}`;
    expect(await told(etcd.session, 'quiet/', revision, there)).toEqual(new Set([there]));
  });

  it('begins where all before was compacted', async () => {
    await etcd.fill({ 'new/a': '1', 'new/b': '2' });
    const { revision } = await etcd.member.status();
    await etcd.member.compactWholly(revision);
    const here = `up to ${revision}`;
    expect(await told(etcd.session, 'new/', revision, here)).toEqual(new Set([here]));
  });
});

describe('a watch that is silent', () => {
  /** Of a member that has told at revision 5 that it watches, and no more: at each silence it says where it is. */
  const silent = async (...revisions: number[]) => {
    const left = revisions.map((revision) => message({ 1: message({ 3: revision }) }));
    const watching: GrpcSession = {
      isOpen: true,
      close: () => undefined,
      ask: async () => left.shift()!,
      async stream(_, __, { take, onSilence }) {
        const created = message({ 1: message({ 3: 5 }), 3: true });
        await take(Buffer.concat([Buffer.from([0, 0, 0, 0, created.length]), created]));
        while (left.length > 0) await onSilence!();
      },
    };
    await told(watching, 'a', 5n);
  };

  it('is borne with while its member answers and has nothing to tell', async () => {
    await silent(5, 5, 5, 6);
  });

  it('is given up when it owes something from one silence to the next', async () => {
    await expect(silent(5, 6, 6)).rejects.toThrow('nothing more has come from etcd for 30 s');
  });
});

it.each([
  ['3.3.13', false],
  ['3.3.14', true],
  ['3.4.0', true],
  ['3.6.0-rc.1', true],
])('etcd %s says how far a watch is when it is asked: %s', (version, says) => {
  expect(tellsProgress(version)).toBe(says);
});
