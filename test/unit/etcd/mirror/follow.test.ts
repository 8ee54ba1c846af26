import { beforeEach, describe, expect, it, vi } from 'vitest';
import { UnreachableError } from '../../../../src/errors.ts';
import type { KeyChange } from '../../../../src/etcd/grpc/keys.ts';
import { fieldsOf, message } from '../../../../src/etcd/grpc/protobuf.ts';
import type { StreamOptions } from '../../../../src/etcd/grpc/session.ts';
import type { ClusterDoor, OpenMember } from '../../../../src/etcd/live/sessions.ts';
import { type Followed, follow } from '../../../../src/etcd/mirror/follow.ts';

// What is tried again is tried again at once.
vi.mock('node:timers/promises', () => ({ setTimeout: async () => undefined }));

/** One stream, as the source of a test has it: tells, or breaks off. */
type Script = (tell: (answer: Buffer) => Promise<unknown>, request: Buffer) => Promise<void>;

const header = (revision: number) => message({ 1: message({ 3: revision }) });
const progress = header;
/** Told when the member had come as far as `at`. */
const put = (revision: number, key = 'app/k', at = revision) =>
  Buffer.concat([header(at), message({ 11: message({ 2: message({ 1: Buffer.from(key), 3: revision }) }) })]);

let ending: AbortController;
let written: string[];
let followed: Followed;
let lost: number;
beforeEach(() => {
  ending = new AbortController();
  written = [];
  followed = { revision: 4n, written: 0, deleted: 0 };
  lost = 0;
});

function following(script: Script, version = '3.5.30'): Promise<void> {
  const stream = async (_: string, request: Buffer, { take }: StreamOptions) => {
    await script(async (answer) => {
      const head = Buffer.alloc(5);
      head.writeUInt32BE(answer.length, 1);
      await take(Buffer.concat([head, answer]));
    }, request);
  };
  const change = async (changes: readonly KeyChange[]) => {
    for (const one of changes) written.push('put' in one ? String(one.put) : '');
    return { done: true, revision: 1n };
  };
  const door = (open: object): ClusterDoor => ({
    name: 'one',
    endpoints: [],
    askAll: async () => 1,
    askUntilLed: async () => undefined,
    best: () => open as OpenMember,
  });
  return follow({
    from: door({ host: 'one', status: { version }, session: { stream } }),
    to: door({ keys: { change } }),
    mapping: { prefix: Buffer.from('app/'), destPrefix: Buffer.from('app/') },
    signal: ending.signal,
    followed,
    onLost: () => lost++,
  });
}

const broken = () => new UnreachableError('the connection to etcd was lost');

describe('a source that is followed', () => {
  it('has come as far as it says when it says so twice, and nothing else between', async () => {
    const reached: bigint[] = [];
    await following(async (tell) => {
      const known = put(4, 'app/k', 9);
      for (const answer of [known, progress(9), put(5), progress(9), progress(9), put(10), progress(10)]) {
        await tell(answer);
        reached.push(followed.revision);
      }
    });
    expect(reached).toEqual([4n, 4n, 5n, 5n, 9n, 10n, 10n]);
    expect(written).toEqual(['app/k', 'app/k']);
  });

  it('is not given up while it answers, however often it is lost', async () => {
    let times = 0;
    await following(async (tell) => {
      await tell(progress(4));
      if (++times < 100) throw broken();
    });
    expect([times, lost]).toEqual([100, 99]);
  });

  it('is given up where it never answers, and said to be lost once', async () => {
    let times = 0;
    const work = following(async () => {
      times++;
      throw broken();
    });
    await expect(work).rejects.toThrow('the connection to etcd was lost');
    expect([times, lost]).toEqual([31, 1]);
  });

  it.each([
    ['3.3.13', '\0', ['app/a', 'app/c']],
    ['3.3.14', 'app/', ['app/a', 'app/c']],
  ])(
    'and is of etcd %s is watched from the key %j on, and mirrored where it is wished for',
    async (version, first, keys) => {
      await following(async (tell, request) => {
        const create = [...fieldsOf(request)].find(({ number }) => number === 1)!.bytes;
        expect([...fieldsOf(create)].find(({ number }) => number === 1)!.bytes.toString()).toBe(first);
        for (const answer of [put(5, 'app/a'), put(6, 'ap'), put(7, 'app/c'), put(8, 'b')]) await tell(answer);
      }, version);
      expect(written).toEqual(keys);
      expect(followed).toEqual({ revision: 8n, written: 2, deleted: 0 });
    },
  );
});
