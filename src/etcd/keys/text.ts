import type { MessageData } from '../../runner/events.ts';
import type { KeyValue } from '../grpc/keys.ts';
import { asText, type KeyEncoding, spell } from './spelling.ts';

/** One key with all that is known of it. */
export function keyText(one: KeyValue, encoding: KeyEncoding, leaseSeconds: number | undefined): string {
  const ends = leaseSeconds === undefined ? 'ended' : `${leaseSeconds} s left`;
  const lease = one.lease === 0n ? 'none' : `${one.lease.toString(16)} (${ends})`;
  const facts = `made at revision ${one.createRevision}, ${one.version === 1n ? 'never written again' : `written ${one.version} times, last at ${one.modRevision}`}; lease: ${lease}; ${one.value.length} ${one.value.length === 1 ? 'byte' : 'bytes'}`;
  return `\n${spell(one.key, encoding)}\n${facts}\n${spell(one.value, encoding)}`;
}

export interface ListOptions {
  encoding: KeyEncoding;
  withValues: boolean;
  /** How many there are in all. */
  count: bigint;
}

/** A line for each key, and its value behind it where that is wanted. */
export function listText(found: readonly KeyValue[], { encoding, withValues, count }: ListOptions): string {
  const lines = found.flatMap(({ key, value }) => {
    const name = spell(key, encoding);
    return withValues ? [name, `  ${spell(value, encoding).replaceAll('\n', '\n  ')}`] : [name];
  });
  const odd = encoding === 'text' ? found.filter(({ key }) => asText(key) === undefined).length : 0;
  return [
    '',
    ...lines,
    `${count} ${count === 1n ? 'key' : 'keys'}${BigInt(found.length) < count ? `, of which the first ${found.length} are shown (-e limit=${count})` : ''}`,
    ...(odd > 0 ? [`${odd} of them are no text and are shown with \\x: name one with -e encoding=hex`] : []),
  ].join('\n');
}

/** The same for programs. */
export function keysRecord(
  found: readonly KeyValue[],
  count: bigint,
  revision: bigint,
  withValues: boolean,
): MessageData {
  return {
    kind: 'keys',
    count: Number(count),
    revision: String(revision),
    keys: found.map(({ key, value, createRevision, modRevision, version, lease }) => ({
      key: key.toString('base64'),
      text: asText(key) ?? null,
      ...(withValues ? { value: value.toString('base64'), valueText: asText(value) ?? null } : {}),
      createRevision: String(createRevision),
      modRevision: String(modRevision),
      version: String(version),
      lease: lease === 0n ? null : lease.toString(16),
    })),
  };
}
