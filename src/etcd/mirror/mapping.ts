/** Which keys are mirrored, and to where: the beginning of each is replaced, as `etcdctl make-mirror` does. */
export interface Mapping {
  prefix: Buffer;
  destPrefix: Buffer;
}

/** The key over there; undefined where nothing would be left of it, which no key may be. Pure. */
export function mapKey({ prefix, destPrefix }: Mapping, key: Buffer): Buffer | undefined {
  const mapped = Buffer.concat([destPrefix, key.subarray(prefix.length)]);
  return mapped.length === 0 ? undefined : mapped;
}

/** Whether keys with one of the prefixes may be keys with the other, too. Pure. */
export function overlaps({ prefix, destPrefix }: Mapping): boolean {
  const shared = Math.min(prefix.length, destPrefix.length);
  return prefix.subarray(0, shared).equals(destPrefix.subarray(0, shared));
}
