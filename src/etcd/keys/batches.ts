/** etcd takes 128 operations in a transaction (max-txn-ops) and 1.5 MiB in a request (max-request-bytes). */
const MOST = 100;
const MOST_BYTES = 1024 ** 2;

/** Groups of neighbours that fit into one transaction each; one that is too large stands alone. Pure. */
export function batches<T>(all: readonly T[], bytesOf: (one: T) => number): T[][] {
  const groups: T[][] = [];
  let bytes = 0;
  for (const one of all) {
    const own = bytesOf(one);
    const open = groups.at(-1);
    if (open && open.length < MOST && bytes + own <= MOST_BYTES) {
      open.push(one);
      bytes += own;
    } else {
      groups.push([one]);
      bytes = own;
    }
  }
  return groups;
}
