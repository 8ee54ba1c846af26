/** A key of the v2 API. */
export interface V2Key {
  /** With its leading slash. */
  name: string;
  value: string;
  /** When it ends by itself, by the clock of the cluster: its own end, or an earlier one of a directory above it. */
  endsAtMs?: number;
  /** The index of its last change. */
  modified: number;
}

/** What one answer of the v2 API holds. */
export interface V2Tree {
  keys: V2Key[];
  /** Directories that hold something. */
  directories: string[];
  /** Directories that hold nothing that is listed. */
  empty: string[];
  /** Keys and directories that end by themselves, by their own path. */
  ends: Map<string, number>;
  /** Directories among them. */
  endingDirectories: string[];
  /** Keys whose name or value is no UTF-8: the v2 API shows another text in their place. */
  unreadable: string[];
}

interface Node {
  key?: string;
  dir?: boolean;
  value?: string;
  nodes?: Node[];
  expiration?: string;
  modifiedIndex?: number;
}

/** No text that etcd writes out holds this: half a pair of UTF-16. */
const BROKEN = '\udc80';

/**
 * Reads an answer of `/v2/keys`. Bytes that are no UTF-8 are written as the escape `\ufffd` by Go's encoding/json, while
 * the character U+FFFD itself stands there as it is: so the two can be told apart. @throws SyntaxError.
 */
export function readTree(json: string): V2Tree {
  const marked = json.replace(/(?<!\\)((?:\\\\)*)\\ufffd/g, '$1\\udc80');
  const tree: V2Tree = { keys: [], directories: [], empty: [], ends: new Map(), endingDirectories: [], unreadable: [] };
  const { node } = JSON.parse(marked) as { node?: Node };
  if (node) walk(node, Number.POSITIVE_INFINITY, tree);
  return tree;
}

function walk(node: Node, aboveMs: number, tree: V2Tree): void {
  const name = node.key ?? '/';
  const own = node.expiration === undefined ? Number.POSITIVE_INFINITY : Date.parse(node.expiration);
  const endsAtMs = Math.min(own, aboveMs);
  if (Number.isFinite(own)) tree.ends.set(name, own);
  if (name.includes(BROKEN) || node.value?.includes(BROKEN)) tree.unreadable.push(name);
  if (!node.dir) {
    const { value = '', modifiedIndex: modified = 0 } = node;
    tree.keys.push({ name, value, modified, ...(Number.isFinite(endsAtMs) && { endsAtMs }) });
    return;
  }
  if (Number.isFinite(own)) tree.endingDirectories.push(name);
  const nodes = node.nodes ?? [];
  if (name !== '/') (nodes.length > 0 ? tree.directories : tree.empty).push(name);
  for (const one of nodes) walk(one, endsAtMs, tree);
}

/** The tree as it is listed, and what was asked for by name beside it. What stands above a hidden key is not empty. */
export function mergeTrees(listed: V2Tree, hidden: readonly V2Tree[]): V2Tree {
  const all = [listed, ...hidden];
  const keys = new Map(all.flatMap((one) => one.keys.map((key) => [key.name, withEnd(key, listed)] as const)));
  const filled = new Set([...keys.keys()].flatMap(above));
  const unique = (pick: (one: V2Tree) => readonly string[]) => [...new Set(all.flatMap(pick))];
  const known = unique((one) => [...one.directories, ...one.empty]);
  return {
    keys: [...keys.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    directories: known.filter((name) => filled.has(name)),
    empty: known.filter((name) => !filled.has(name)).sort(),
    ends: new Map(all.flatMap((one) => [...one.ends])),
    endingDirectories: unique((one) => one.endingDirectories),
    unreadable: unique((one) => one.unreadable),
  };
}

/** A hidden key ends with the directories above it, which its own answer does not show. */
function withEnd(key: V2Key, { endingDirectories, ends }: V2Tree): V2Key {
  const over = endingDirectories.filter((name) => key.name.startsWith(`${name}/`)).map((name) => ends.get(name)!);
  const endsAtMs = Math.min(key.endsAtMs ?? Number.POSITIVE_INFINITY, ...over);
  return Number.isFinite(endsAtMs) ? { ...key, endsAtMs } : key;
}

/** The directories that a name lies in, without the root. */
export function above(name: string): string[] {
  const parts = name.split('/').slice(1, -1);
  return parts.map((_, at) => `/${parts.slice(0, at + 1).join('/')}`);
}

/** Whether a name, or a directory that it lies in, is left out of lists. */
export const isHidden = (name: string): boolean => /\/_/.test(name);

/** A text with the sign that v2 shows for bytes that it does not give out. */
export const shown = (text: string): string => text.replaceAll(BROKEN, '\ufffd');
