import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MessageFrames } from '../../../../src/etcd/grpc/frames.ts';
import { message } from '../../../../src/etcd/grpc/protobuf.ts';
import type { GrpcSession } from '../../../../src/etcd/grpc/session.ts';
import { CompactedError, type WatchEvent, watchAnswerOf, watchKeys } from '../../../../src/etcd/grpc/watch.ts';
import { askSession, type ClusterDoor, type OpenMember } from '../../../../src/etcd/live/sessions.ts';
import { changesOf } from '../../../../src/etcd/mirror/changes.ts';
import { compareSides, type Difference } from '../../../../src/etcd/mirror/compare.ts';
import { copyDifferences } from '../../../../src/etcd/mirror/copy.ts';
import { readEndpoints } from '../../../../src/etcd/mirror/endpoints.ts';
import { type Followed, follow } from '../../../../src/etcd/mirror/follow.ts';
import { type Mapping, mapKey, overlaps } from '../../../../src/etcd/mirror/mapping.ts';
import { OwnEtcd } from '../keys/own-etcd.ts';

const mappingOf = (prefix: string, destPrefix = prefix): Mapping => ({
  prefix: Buffer.from(prefix),
  destPrefix: Buffer.from(destPrefix),
});
const ALL = mappingOf('');

it.each([
  ['', '', '/a', '/a'],
  ['/a/', '/a/', '/a/x', '/a/x'],
  ['/a/', '/b/', '/a/x/a/', '/b/x/a/'],
  ['/a/', '', '/a/x', 'x'],
  ['', 'copy/', 'x', 'copy/x'],
  ['/a', '', '/a', undefined],
])('with %j as %j the key %j is %j', (prefix, destPrefix, key, there) => {
  expect(mapKey(mappingOf(prefix, destPrefix), Buffer.from(key))?.toString()).toBe(there);
});

it.each([
  ['', 'copy/', true],
  ['/a/', '/a/b/', true],
  ['/a/', '/b/', false],
  ['/a', '/ab', true],
  ['/a', '', true],
])('keys with %j and with %j may be the same: %s', (prefix, destPrefix, may) => {
  expect(overlaps(mappingOf(prefix, destPrefix))).toBe(may);
});

it.each<[string, string[] | undefined]>([
  ['https://10.0.0.1:2379', ['https://10.0.0.1:2379/']],
  ['https://a:2379,https://b:2379/', ['https://a:2379/', 'https://b:2379/']],
  ['http://a:2379', ['http://a:2379/']],
  ['10.0.0.1:2379,b:2379', ['https://10.0.0.1:2379/', 'https://b:2379/']],
  ['[fd00::1]:2379', ['https://[fd00::1]:2379/']],
  ['etcd_new', undefined],
  ['new.ini', undefined],
  ['./new.ini', undefined],
  ['https://a:2379/path', undefined],
  ['https://a:2379,etcd_new', undefined],
  ['', undefined],
])('%j as addresses', (words, urls) => {
  expect(readEndpoints(words)?.map(String)).toEqual(urls);
});

describe('messages in a stream', () => {
  const frame = (text: string) => Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), Buffer.from(text)]);

  it.each([1, 2, 3, 7, 1000])('come whole out of pieces of %d bytes', (size) => {
    const all = Buffer.concat(['one', '', 'another one', 'x'].map(frame));
    const frames = new MessageFrames();
    const found: string[] = [];
    for (let at = 0; at < all.length; at += size) found.push(...frames.push(all.subarray(at, at + size)).map(String));
    expect(found).toEqual(['one', '', 'another one', 'x']);
  });

  it('are refused where they are compressed', () => {
    expect(() => new MessageFrames().push(Buffer.from([1, 0, 0, 0, 0]))).toThrow('compressed');
  });

  it('are read as what a watch tells', () => {
    const kv = message({ 1: Buffer.from('k'), 3: 9 });
    const events = [message({ 11: message({ 1: 1, 2: kv }) }), message({ 11: message({ 2: kv }) })];
    expect(watchAnswerOf(Buffer.concat([message({ 1: message({ 3: 12 }), 7: true }), ...events]))).toMatchObject({
      revision: 12n,
      isPart: true,
      cancelled: undefined,
      events: [{ deleted: true, kv: { modRevision: 9n } }, { deleted: false }],
    });
    expect(watchAnswerOf(message({ 4: true, 5: 7, 6: Buffer.from('why') }))).toMatchObject({
      cancelled: 'why',
      compactRevision: 7n,
    });
  });
});

describe('events as transactions', () => {
  const event = (key: string, revision: number, value: string | null = 'v'): WatchEvent => ({
    deleted: value === null,
    kv: {
      key: Buffer.from(key),
      value: Buffer.from(value ?? ''),
      modRevision: BigInt(revision),
      createRevision: 1n,
      version: 1n,
      lease: 0n,
    },
  });
  const told = (events: WatchEvent[], mapping = ALL) =>
    changesOf(events, mapping).map((group) =>
      group
        .map((one) => ('remove' in one ? `-${one.remove}` : `${one.put}=${one.value.length > 9 ? '…' : one.value}`))
        .join(' '),
    );
  const big = 'x'.repeat(700_000);

  it.each<[string, WatchEvent[], string[]]>([
    ['nothing', [], []],
    ['neighbours are put together', [event('a', 1), event('b', 2), event('c', 3, null)], ['a=v b=v -c']],
    [
      'no key comes twice',
      [event('a', 1, '1'), event('b', 2), event('a', 3, '2'), event('b', 4, null)],
      ['a=1 b=v', 'a=2 -b'],
    ],
    ['a revision stays whole', [event('a', 1), event('b', 2), event('a', 2)], ['a=v', 'b=v a=v']],
    ['not too large', [event('a', 1, big), event('b', 2, big)], ['a=…', 'b=…']],
  ])('%s', (_, events, groups) => {
    expect(told(events)).toEqual(groups);
  });

  it('are not too many at a time', () => {
    const many = Array.from({ length: 250 }, (_, n) => event(`k${n}`, n));
    expect(changesOf(many, ALL).map((one) => one.length)).toEqual([100, 100, 50]);
    const atOnce = Array.from({ length: 250 }, (_, n) => event(`k${n}`, 7));
    expect(changesOf(atOnce, ALL).map((one) => one.length)).toEqual([100, 100, 50]);
  });

  it('bear the other beginning, and leave out what has no name', () => {
    expect(told([event('/a/', 1), event('/a/x', 2)], mappingOf('/a/', ''))).toEqual(['x=v']);
  });
});

describe('between two real clusters', () => {
  let [one, two]: OwnEtcd[] = [];
  beforeAll(async () => {
    [one, two] = await Promise.all([OwnEtcd.start('3.4.23'), OwnEtcd.start('3.5.16')]);
  }, 60_000);
  beforeEach(async () => {
    await Promise.all([one!.clear(), two!.clear()]);
  }, 30_000);
  afterAll(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
  });

  const sides = async (mapping: Mapping) => ({
    from: one!.keys,
    fromRevision: (await one!.member.status()).revision,
    to: two!.keys,
    toRevision: (await two!.member.status()).revision,
    mapping,
  });
  const differ = async (mapping: Mapping) => {
    const found: Difference[] = [];
    for await (const { differences } of compareSides(await sides(mapping))) found.push(...differences);
    return found.map(({ kind, key }) => `${kind} ${key}`);
  };
  const copy = async (mapping: Mapping, deletesExtra = false) =>
    copyDifferences(await sides(mapping), { deletesExtra, signal: new AbortController().signal, onProgress: () => {} });

  it('all that differs is found, in the order of the keys', async () => {
    await one!.fill({ a: '1', b: '2', c: '3', e: '5' });
    await two!.fill({ b: '2', c: 'other', d: '4', f: '6' });
    expect(await differ(ALL)).toEqual(['missing a', 'other c', 'extra d', 'missing e', 'extra f']);
  });

  it('also under another beginning, and only that', async () => {
    await one!.fill({ '/a/x': '1', '/a/y': '2', '/b/z': '3' });
    await two!.fill({ '/new/x': '1', '/new/z': '0', '/other': '' });
    expect(await differ(mappingOf('/a/', '/new/'))).toEqual(['missing /new/y', 'extra /new/z']);
    expect(await differ(mappingOf('/a/', ''))).toEqual([
      'extra /new/x',
      'extra /new/z',
      'extra /other',
      'missing x',
      'missing y',
    ]);
  });

  it('is copied, and nothing else is written; what is extra goes only when it is told to', async () => {
    await one!.fill({ a: '1', b: '2', c: '3' });
    await two!.fill({ b: '2', c: 'other', d: '4' });
    const { revision } = await two!.member.status();
    expect(await copy(ALL)).toEqual({ written: 1, overwritten: 1, deleted: 0 });
    expect(await two!.values()).toEqual({ a: '1', b: '2', c: '3', d: '4' });
    expect((await two!.member.status()).revision).toBe(revision + 1n);
    expect(await copy(ALL, true)).toEqual({ written: 0, overwritten: 0, deleted: 1 });
    expect(await copy(ALL, true)).toEqual({ written: 0, overwritten: 0, deleted: 0 });
  });

  it('is copied with many keys and large values', async () => {
    const value = Buffer.alloc(600_000, 'v');
    for (let n = 0; n < 40; n++) await one!.put(`large/${String(n).padStart(2, '0')}`, value);
    for (let n = 0; n < 30; n++) {
      const some = Array.from({ length: 100 }, (_, i) => ({
        put: Buffer.from(`small/${n}/${i}`),
        value: Buffer.from('s'),
      }));
      await one!.keys.change(some);
    }
    expect(await copy(ALL)).toEqual({ written: 3_040, overwritten: 0, deleted: 0 });
    expect(await differ(ALL)).toEqual([]);
  });

  const doorOf = (name: string, own: () => OwnEtcd): ClusterDoor => {
    let open: OpenMember | undefined;
    return {
      name,
      endpoints: [],
      askAll: async () => {
        open = await askSession(name, own().session);
        return 1;
      },
      askUntilLed: async () => undefined,
      best: () => open!,
    };
  };

  const following = async (mapping: Mapping, from = doorOf('one', () => one!)) => {
    const to = doorOf('two', () => two!);
    await Promise.all([from.askAll(), to.askAll()]);
    const ending = new AbortController();
    const followed: Followed = { revision: (await one!.member.status()).revision, written: 0, deleted: 0 };
    const ended = follow({ from, to, mapping, signal: ending.signal, followed, onLost: () => {} });
    const until = async (revision: bigint) => {
      while (followed.revision < revision) await sleep(50);
    };
    const end = () => {
      ending.abort();
      return ended;
    };
    return { followed, until, end };
  };

  it('changes are followed, in their order, whichever key they are of', async () => {
    await one!.fill({ '/a/old': '1' });
    await two!.fill({ '/new/old': '1' });
    const { followed, until, end } = await following(mappingOf('/a/', '/new/'));
    await one!.fill({ '/a/x': '1', '/a/y': '2', '/b/elsewhere': '3' });
    await one!.put('/a/x', 'again');
    await one!.keys.change([{ remove: Buffer.from('/a/old') }, { put: Buffer.from('/a/z'), value: Buffer.alloc(0) }]);
    await one!.put('/b/elsewhere', 'again');
    await until((await one!.member.status()).revision);
    await end();
    expect(await two!.values()).toEqual({ '/new/x': 'again', '/new/y': '2', '/new/z': '' });
    expect([followed.written, followed.deleted]).toEqual([4, 1]);
  });

  it('changes are followed also from a member that does not say how far it is', async () => {
    const door = doorOf('one', () => one!);
    const mute = (session: GrpcSession): GrpcSession => ({
      ...session,
      stream: (method, request, options) =>
        session.stream(method, request, { ...options, onOpen: () => options.onOpen?.(() => undefined) }),
    });
    const old = (open: OpenMember): OpenMember => ({
      ...open,
      session: mute(open.session),
      status: { ...open.status, version: '3.3.13' },
    });
    const { until, end } = await following(mappingOf('/a/', '/new/'), { ...door, best: () => old(door.best()) });
    await one!.fill({ '/a/x': '1', '/b/elsewhere': '2' });
    await until((await one!.member.status()).revision);
    await end();
    expect(await two!.values()).toEqual({ '/new/x': '1' });
  });

  it('changes are followed while many are made', async () => {
    const { until, end } = await following(ALL);
    await Promise.all(
      Array.from({ length: 10 }, async (_, writer) => {
        for (let n = 0; n < 30; n++) await one!.put(`w${writer}/${n % 7}`, String(n));
      }),
    );
    await until((await one!.member.status()).revision);
    await end();
    expect(await two!.values()).toEqual(await one!.values());
  });

  it('the other side that is full says how to go on', async () => {
    const small = await OwnEtcd.start('3.5.16', { 'quota-backend-bytes': String(2 * 1024 ** 2) });
    try {
      const value = Buffer.alloc(600_000, 'v');
      for (let n = 0; n < 40; n++) await one!.put(`large/${n}`, value);
      const { revision } = await one!.member.status();
      const both = { from: one!.keys, fromRevision: revision, to: small.keys, toRevision: 0n, mapping: ALL };
      const copying = copyDifferences(both, {
        deletesExtra: false,
        signal: new AbortController().signal,
        onProgress: () => {},
      });
      await expect(copying).rejects.toMatchObject({
        message: expect.stringContaining('space exceeded'),
        next: expect.stringContaining('play space_etcd'),
      });
    } finally {
      await small.stop();
    }
  });

  it('what is compacted cannot be followed, and says so', async () => {
    await one!.fill({ a: '1', b: '2' });
    const { revision } = await one!.member.status();
    await one!.member.compactWholly(revision);
    const watching = watchKeys(one!.session, 'one', {
      key: Buffer.from([0]),
      end: Buffer.from([0]),
      after: 1n,
      signal: new AbortController().signal,
      onEvents: async () => {},
      onProgress: () => {},
    });
    await expect(watching).rejects.toThrow(CompactedError);
  });
});
