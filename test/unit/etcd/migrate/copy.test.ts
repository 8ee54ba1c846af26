import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyValue } from '../../../../src/etcd/grpc/keys.ts';
import { leasesApi } from '../../../../src/etcd/grpc/leases.ts';
import {
  type CopyApis,
  copyKeys,
  type DueKey,
  Journal,
  TakenError,
  takeBack,
} from '../../../../src/etcd/migrate/copy.ts';
import { isOwnLease, leaseIdFor } from '../../../../src/etcd/migrate/leases.ts';
import { lookUp } from '../../../../src/etcd/migrate/look-up.ts';
import { compareBystanders } from '../../../../src/etcd/migrate/prove.ts';
import { OwnEtcd } from '../keys/own-etcd.ts';

let etcd: OwnEtcd;
let apis: CopyApis;
beforeAll(async () => {
  etcd = await OwnEtcd.start();
  apis = { keys: etcd.keys, leases: leasesApi(etcd.session) };
}, 60_000);
beforeEach(() => etcd.clear(), 30_000);
afterAll(() => etcd?.stop());

const wish = { now: Date.now, signal: new AbortController().signal, onProgress: () => undefined };
const due = (name: string, value: string, more: Partial<DueKey> = {}): DueKey => ({
  name: Buffer.from(name),
  value: Buffer.from(value),
  ...more,
});
const many = (number: number) => Array.from({ length: number }, (_, at) => due(`/k${at}`, `v${at}`));
const revision = async () => (await etcd.keys.range({ key: Buffer.from('/'), countOnly: true })).revision;
const one = async (name: string): Promise<KeyValue> => (await etcd.keys.range({ key: Buffer.from(name) })).keys[0]!;

async function copied(keys: readonly DueKey[]): Promise<Journal> {
  const journal = new Journal();
  await copyKeys(apis, keys, journal, wish);
  return journal;
}

describe('copying', () => {
  it('writes keys in transactions, and those that end within one second on one lease', async () => {
    const endsAtMs = Date.now() + 90_000;
    const later = endsAtMs + 5_000;
    const before = await revision();
    const keys = [
      ...many(250),
      due('/a', '', { endsAtMs }),
      due('/b', '', { endsAtMs }),
      due('/c', '', { endsAtMs: later }),
    ];
    const journal = await copied(keys);
    expect(await revision()).toBe(before + 3n);
    expect([journal.written.length, journal.leases.length]).toEqual([253, 2]);
    const [a, b, c] = await Promise.all(['/a', '/b', '/c'].map(one));
    expect([a!.lease, b!.lease]).toEqual([leaseIdFor(endsAtMs), leaseIdFor(endsAtMs)]);
    expect(isOwnLease(c!.lease)).toBe(true);
    expect(c!.lease).not.toBe(a!.lease);
    // Until then, by the clock: up to a second off, since what is granted is whole seconds, and up to one later, since it
    // runs once it is made; etcd tells of it what is whole.
    const [earliest, seconds, latest] = [Date.now(), await etcd.keys.leaseSeconds(a!.lease), Date.now()];
    expect(seconds).toBeGreaterThanOrEqual((endsAtMs - latest) / 1000 - 2);
    expect(seconds).toBeLessThanOrEqual((endsAtMs - earliest) / 1000 + 2);
    await takeBack(apis, journal);
  });

  it('uses the lease of an earlier run, and another one where that ends at another time', async () => {
    const endsAtMs = Date.now() + 300_000;
    await apis.leases.grant(leaseIdFor(endsAtMs), 300);
    const again = await copied([due('/a', '', { endsAtMs })]);
    expect([again.leases, (await one('/a')).lease]).toEqual([[], leaseIdFor(endsAtMs)]);
    const other = Date.now() + 200_000;
    await apis.leases.grant(leaseIdFor(other), 600);
    const anew = await copied([due('/b', '', { endsAtMs: other })]);
    expect([anew.leases, (await one('/b')).lease]).toEqual([[leaseIdFor(other, 1)], leaseIdFor(other, 1)]);
  });

  it('makes a lease anew that took long to be made, since it runs from then on', async () => {
    const endsAtMs = Date.now() + 60_000;
    let [grants, revokes] = [0, 0];
    const slow: CopyApis['leases'] = {
      grant: async (id, seconds) => {
        if (grants++ === 0) await new Promise((resolve) => setTimeout(resolve, 3_000));
        return apis.leases.grant(id, seconds);
      },
      revoke: (id) => {
        revokes++;
        return apis.leases.revoke(id);
      },
    };
    const journal = new Journal();
    await copyKeys({ ...apis, leases: slow }, [due('/late', '', { endsAtMs })], journal, wish);
    expect([grants, revokes, journal.leases]).toEqual([2, 1, [leaseIdFor(endsAtMs)]]);
    const earliest = Date.now();
    const seconds = await etcd.keys.leaseSeconds(leaseIdFor(endsAtMs));
    expect(seconds).toBeLessThanOrEqual((endsAtMs - earliest) / 1000 + 2);
    await takeBack(apis, journal);
  });

  it('touches no key that is not as it was seen, and takes back what it had written', async () => {
    await etcd.put('/k150', 'theirs');
    const journal = new Journal();
    const failed = copyKeys(apis, many(250), journal, wish);
    await expect(failed).rejects.toThrow(TakenError);
    await expect(failed).rejects.toMatchObject({ key: Buffer.from('/k150') });
    expect(journal.written).toHaveLength(150);
    expect(await takeBack(apis, journal)).toEqual({ deleted: 150, putBack: 0, left: 0 });
    expect(await etcd.values()).toEqual({ '/k150': 'theirs' });
  });

  it('takes nothing back that others have written since, and puts back what it overwrote', async () => {
    await etcd.lease(77n);
    await etcd.put('/old', 'old', 77n);
    const journal = await copied([due('/old', 'new', { before: await one('/old') }), due('/a', '1'), due('/b', '2')]);
    expect(await etcd.values()).toEqual({ '/old': 'new', '/a': '1', '/b': '2' });
    await etcd.put('/b', 'theirs');
    expect(await takeBack(apis, journal)).toEqual({ deleted: 1, putBack: 1, left: 1 });
    expect(await etcd.values()).toEqual({ '/old': 'old', '/b': 'theirs' });
    expect((await one('/old')).lease).toBe(77n);
  });

  it('takes back what it had to write twice, since its lease was to end otherwise', async () => {
    const endsAtMs = Date.now() + 60_000;
    const journal = await copied([due('/a', '1', { endsAtMs }), due('/b', '2')]);
    const again = await copied([due('/a', '1', { endsAtMs: endsAtMs + 9_000, before: await one('/a') })]);
    journal.goOn(again);
    expect([journal.written.length, journal.leases.length]).toEqual([2, 2]);
    expect(await takeBack(apis, journal)).toEqual({ deleted: 2, putBack: 0, left: 0 });
    expect(await etcd.values()).toEqual({});
  });

  it('takes back what was written although no answer came', async () => {
    const journal = new Journal();
    const silent = {
      ...etcd.keys,
      change: async (...words: Parameters<CopyApis['keys']['change']>) => {
        await etcd.keys.change(...words);
        throw new Error('no answer');
      },
    };
    await expect(copyKeys({ ...apis, keys: silent }, [due('/a', '1')], journal, wish)).rejects.toThrow('no answer');
    expect(await etcd.values()).toEqual({ '/a': '1' });
    expect(await takeBack(apis, journal)).toEqual({ deleted: 1, putBack: 0, left: 0 });
    expect(await etcd.values()).toEqual({});
  });
});

describe('looking up', () => {
  it.each([
    ['among few others', 3],
    ['among many others, one by one', 6_000],
  ])('finds keys with the ends of their leases, %s', async (_, others) => {
    await copied(many(others).map((key) => ({ ...key, name: Buffer.concat([Buffer.from('/other'), key.name]) })));
    const endsAtMs = Date.now() + 100_000;
    const journal = await copied([due('/a', '1', { endsAtMs }), due('/z', '2')]);
    const names = ['/a', '/missing', '/z'].map((name) => Buffer.from(name));
    const found = await lookUp(etcd.keys, names, await revision(), Date.now);
    expect([...found.keys()].sort()).toEqual(['/a', '/z']);
    expect(Math.abs(found.get('/a')!.endsAtMs! - endsAtMs)).toBeLessThan(2_000);
    expect(found.get('/z')!.endsAtMs).toBeUndefined();
    await takeBack(apis, journal);
  });
});

describe('other keys', () => {
  const isOwn = (key: Buffer) => key.toString().startsWith('/');

  it.each<[string, () => Promise<unknown>, number]>([
    ['nobody wrote', async () => undefined, 0],
    ['one was written', () => etcd.put('b', 'other'), 1],
    ['one was made', () => etcd.put('z', 'new'), 1],
    ['one was deleted', () => etcd.keys.change([{ remove: Buffer.from('a') }]), 1],
  ])('are compared: %s', async (_, act, changed) => {
    await etcd.fill({ a: '1', b: '2', c: '3' });
    const before = await revision();
    const journal = await copied([due('/x', '1')]);
    await act();
    const found = await compareBystanders(etcd.keys, { before, after: await revision() }, isOwn, journal.revisions);
    expect(found?.changed).toBe(changed);
  });

  it('one that bears a revision of this run is told', async () => {
    const before = await revision();
    const journal = await copied([due('astray', '1')]);
    const after = await revision();
    await expect(compareBystanders(etcd.keys, { before, after }, isOwn, journal.revisions)).rejects.toThrow('astray');
  });

  it('cannot be told where the past is compacted', async () => {
    const before = await revision();
    await etcd.fill({ a: '1', b: '2' });
    const after = await revision();
    await etcd.member.compact(after);
    expect(await compareBystanders(etcd.keys, { before, after }, isOwn, new Set())).toBeUndefined();
  });
});
