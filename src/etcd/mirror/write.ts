import { PlayError } from '../../errors.ts';
import type { KeyChange, KeysApi } from '../grpc/keys.ts';
import { GrpcError } from '../grpc/session.ts';

/** What etcd says no to, and the way out of it. */
const WAYS_OUT: readonly [RegExp, string][] = [
  [/space exceeded/, 'It is full: make room there (play space_etcd -e do=compact,defrag,disarm), then run again.'],
  [/request is too large/, 'Let it take larger requests: a larger ETCD_MAX_REQUEST_BYTES there, and play reload_etcd.'],
  [/too many operations/, 'Its ETCD_MAX_TXN_OPS is below 100: raise it there.'],
  [/permission denied|invalid auth/, 'The client certificate must be that of a user who may write there.'],
];

/** One transaction on the other side. @throws PlayError that says what is to be done there. */
export async function writeThere(to: Pick<KeysApi, 'change'>, changes: readonly KeyChange[]): Promise<void> {
  try {
    await to.change(changes);
  } catch (error) {
    const next = error instanceof GrpcError && WAYS_OUT.find(([words]) => words.test(error.message))?.[1];
    if (!next) throw error;
    throw new PlayError(`the other cluster takes no more: ${(error as Error).message}`, { cause: error, next });
  }
}
