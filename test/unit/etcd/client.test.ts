import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UnreachableError } from '../../../src/errors.ts';
import { type MemberClient, memberClient } from '../../../src/etcd/client.ts';
import type { GrpcSession } from '../../../src/etcd/grpc/session.ts';
import { farEnd } from './grpc/far-end.ts';
import { OwnEtcd } from './keys/own-etcd.ts';

describe.each(['3.4.23', '3.5.16'])('the client of a member, etcd %s', (version) => {
  let etcd: OwnEtcd;
  let client: MemberClient;
  let sessions: GrpcSession[];
  beforeAll(async () => {
    etcd = await OwnEtcd.start(version);
  }, 60_000);
  beforeEach(() => {
    sessions = [];
    client = memberClient(async () => {
      const session = await etcd.connect();
      sessions.push(session);
      return session;
    });
    return () => client.close();
  });
  afterAll(() => etcd?.stop());

  it('asks for status, members and alarms over one session', async () => {
    const [status, members, alarms] = await Promise.all([client.status(), client.members(), client.alarms()]);
    expect(status).toMatchObject({ version, leaderId: status.memberId, isLearner: false, errors: [] });
    expect(members).toEqual([
      {
        id: status.memberId,
        name: 'default',
        peerUrls: [expect.any(String)],
        clientUrls: ['http://localhost:2379'],
        isLearner: false,
      },
    ]);
    expect(alarms).toEqual([]);
    expect(sessions).toHaveLength(1);
  });

  it('writes, reads and removes a key', async () => {
    expect(await client.read('none')).toBeUndefined();
    await client.write('ein Schlüssel', 'ein Wert €');
    expect(await client.read('ein Schlüssel')).toBe('ein Wert €');
    await client.remove('ein Schlüssel');
    expect(await client.read('ein Schlüssel')).toBeUndefined();
  });

  it('adds, changes and removes members, and gives the words of a refusal', async () => {
    const id = await client.addMember('http://127.0.0.1:1', 'learner');
    const added = (await client.members()).find((one) => one.id === id);
    expect(added).toMatchObject({ name: '', peerUrls: ['http://127.0.0.1:1'], clientUrls: [], isLearner: true });
    await client.updateMember(id, 'http://127.0.0.1:2');
    expect((await client.members()).find((one) => one.id === id)?.peerUrls).toEqual(['http://127.0.0.1:2']);
    await expect(client.promoteMember(id)).rejects.toThrow(/can only promote a learner member which is in sync/);
    await expect(client.moveLeader('ff')).rejects.toThrow(/etcdserver: bad leader transferee/);
    await client.removeMember(id);
    expect(await client.members()).toHaveLength(1);
    await expect(client.removeMember(id)).rejects.toThrow(/etcdserver: member not found/);
  });

  it('opens a session anew where the last one was ended, once for all who ask at that time', async () => {
    await client.status();
    sessions[0]!.close();
    await Promise.all([client.status(), client.members(), client.status()]);
    expect(sessions).toHaveLength(2);
  });
});

describe('a member that cannot be reached', () => {
  const never = () => new Promise<never>(() => undefined);
  it.each<[string, () => Promise<GrpcSession>, unknown]>([
    ['since it does not answer', never, new Error('etcd does not answer within 0.05 s')],
    [
      'since it refuses connections',
      () => Promise.reject(new Error('h1:2379 refuses connections')),
      new Error('h1:2379 refuses connections'),
    ],
    [
      'since its host is lost',
      () => Promise.reject(new UnreachableError('connection lost', { host: 'h1' })),
      expect.any(UnreachableError),
    ],
  ])('%s is said to be so, and tried again with the next call', async (_, open, error) => {
    let tries = 0;
    const client = memberClient(() => {
      tries++;
      return open();
    });
    for (const expected of [1, 2]) {
      await expect(client.status(50)).rejects.toEqual(error);
      expect(tries).toBe(open === never ? 1 : expected);
    }
    client.close();
  });
});

it('a member that is slow is told with the time that it was given, opening and all', async () => {
  const { session } = await farEnd('a tunnel', { '/etcdserverpb.Maintenance/Status': () => undefined });
  const client = memberClient(async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return session;
  });
  await expect(client.status(900)).rejects.toEqual(new Error('etcd does not answer within 0.9 s'));
  client.close();
});

describe('a client that was closed', () => {
  it.each([
    ['before it is asked', false],
    ['as soon as it is asked', true],
  ])('%s opens nothing any more, and says why', async (_, isAsked) => {
    let opened = 0;
    const client = memberClient(() => {
      opened++;
      return new Promise<never>(() => undefined);
    });
    const first = isAsked ? client.status() : undefined;
    client.close();
    await expect(first ?? client.status()).rejects.toThrow('the session with this member was closed');
    expect(opened).toBe(0);
  });
});
