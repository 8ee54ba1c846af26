import type { V2Key } from '../v2/tree.ts';
import { endsTogether, isOwnLease } from './leases.ts';

/** What v3 has under the name of a key of v2. */
export interface Twin {
  value: Buffer;
  modRevision: bigint;
  lease: bigint;
  /** When its lease ends, by the clock of the cluster; undefined without one. */
  endsAtMs?: number | undefined;
}

export type Verdict =
  /** Nothing: it is written. */
  | 'missing'
  /** The same value, with the same end. */
  | 'same'
  /** The same value, with a lease of an earlier run that ends at another time: it is set right. */
  | 'ours'
  /** Another value, or another end. */
  | 'other value'
  | 'other end';

/** How a key stands beside its twin. Pure. */
export function judgeTwin(key: Pick<V2Key, 'value' | 'endsAtMs'>, twin: Twin | undefined): Verdict {
  if (!twin) return 'missing';
  if (!twin.value.equals(Buffer.from(key.value))) return 'other value';
  const hasLease = twin.lease !== 0n;
  if (key.endsAtMs === undefined) return hasLease ? 'other end' : 'same';
  if (hasLease && twin.endsAtMs !== undefined && endsTogether(key.endsAtMs, twin.endsAtMs)) return 'same';
  return isOwnLease(twin.lease) ? 'ours' : 'other end';
}

/** Which keys are brought, and what they are called. */
export interface NameMapping {
  prefix: string;
  destPrefix: string;
}

export const isChosen = ({ name }: Pick<V2Key, 'name'>, { prefix }: NameMapping): boolean => name.startsWith(prefix);

/** What a key is called in v3. */
export function twinName({ name }: Pick<V2Key, 'name'>, { prefix, destPrefix }: NameMapping): Buffer {
  return Buffer.from(destPrefix + name.slice(prefix.length));
}
