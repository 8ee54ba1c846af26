import { createHash } from 'node:crypto';

/** A key or a directory, as the v2 API tells of it. */
export interface V2Node {
  key: string;
  dir?: boolean;
  value?: string;
  /** When it goes by itself, ISO. */
  expiration?: string;
  nodes?: V2Node[];
}

/** What is compared of two v2 stores. Keys that go by themselves are only counted: they may be gone a moment later. */
export interface V2Facts {
  keys: number;
  /** How many of them go by themselves, or with a directory of theirs. */
  expiring: number;
  /** sha256 of the names and values of all others; of keys that were made in order (`POST`) their order stands for the name. */
  sum: string;
  /** How many were made in order: `etcdctl backup` gives them other numbers, in the same order. Missing where none was. */
  inOrder?: number;
}

/** What has to be written for a key, or for a directory that nothing else would make. */
export interface V2Write {
  key: string;
  /** Undefined for a directory. */
  value: string | undefined;
  expiration: string | undefined;
}

interface Leaf {
  node: V2Node;
  expires: boolean;
}

export function v2Facts(root: V2Node): V2Facts {
  const keys = leavesOf(root).filter(({ node }) => !node.dir);
  const lasting = keys.filter(({ expires }) => !expires).map(({ node }) => [node.key, node.value ?? '']);
  const hash = createHash('sha256');
  const places = new Map<string, number>();
  for (const [key, value] of lasting.toSorted(([a], [b]) => (a! < b! ? -1 : 1))) {
    const folder = IN_ORDER.exec(key!)?.[1];
    const place = (places.get(folder ?? '') ?? 0) + 1;
    if (folder !== undefined) places.set(folder, place);
    hash.update(`${JSON.stringify(folder === undefined ? [key, value] : [folder, place, value])}\n`);
  }
  const inOrder = keys.filter(({ node }) => isInOrder(node.key)).length;
  const expiring = keys.length - lasting.length;
  return { keys: keys.length, expiring, sum: hash.digest('hex'), ...(inOrder > 0 && { inOrder }) };
}

/** Keys made in order are named by the index of the log: twenty digits (etcd-io/website v2 api, Atomically Creating In-Order Keys). */
const IN_ORDER = /^(.*\/)\d{20}$/s;

export const isInOrder = (key: string): boolean => IN_ORDER.test(key);

/** In the order in which it must be done: a directory that expires comes before what is in it. */
export function v2Writes(root: V2Node): V2Write[] {
  return leavesOf(root).map(({ node: { key, dir, value, expiration } }) => ({
    key,
    value: dir ? undefined : (value ?? ''),
    expiration,
  }));
}

/** Keys of the first that last, and that the second does not have. */
export function v2Missing(wanted: V2Node, found: V2Node): string[] {
  const there = new Set(leavesOf(found).map(({ node }) => node.key));
  return leavesOf(wanted).flatMap(({ node, expires }) =>
    node.dir || expires || there.has(node.key) ? [] : [node.key],
  );
}

/** Keys, and the directories that are empty or expire. */
function leavesOf(root: V2Node): Leaf[] {
  const found: Leaf[] = [];
  const walk = (node: V2Node, inherited: boolean) => {
    const expires = inherited || node.expiration !== undefined;
    const nodes = node.nodes ?? [];
    if (node !== root && (!node.dir || nodes.length === 0 || node.expiration !== undefined))
      found.push({ node, expires });
    for (const one of nodes) walk(one, expires);
  };
  walk(root, false);
  return found;
}
