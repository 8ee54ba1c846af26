import type { V2Tree } from './tree.ts';

/** What v2 held at a moment. */
export interface V2Reading {
  tree: V2Tree;
  /** The index of the newest change of the whole store. */
  index: number;
  /** When it was read, by the clock of the cluster. */
  atMs: number;
}

/** What became of v2 between two readings. */
export interface V2Changes {
  /** Written, or written anew. */
  written: string[];
  /** Gone before their time. */
  deleted: string[];
  /** They came to their end. */
  expired: string[];
  /** Changes of the index that nothing of this explains: of what is not listed, or of the members themselves. */
  unseen: number;
}

/** The end of a key is carried out up to half a second late, and clocks differ. */
const SLACK_MS = 1_500;

/** Keys that end by themselves are no sign of a writer; all else is. Pure. */
export function changesBetween(before: V2Reading, after: V2Reading): V2Changes {
  const then = new Map(before.tree.keys.map((key) => [key.name, key]));
  const now = new Map(after.tree.keys.map((key) => [key.name, key]));
  const gone = before.tree.keys.filter(({ name }) => !now.has(name));
  const isDue = (endsAtMs = Number.POSITIVE_INFINITY) => endsAtMs <= after.atMs + SLACK_MS;
  const written = after.tree.keys.filter((key) => {
    const old = then.get(key.name);
    return !old || old.modified !== key.modified || old.endsAtMs !== key.endsAtMs;
  });
  const deleted = gone.filter(({ endsAtMs }) => !isDue(endsAtMs));
  // A directory that ends takes all below it along, in one change.
  const ended = [...before.tree.ends].filter(([name, endsAtMs]) => !after.tree.ends.has(name) && isDue(endsAtMs));
  const moved = after.index - before.index;
  const seen = written.length + deleted.length + ended.length;
  return {
    written: written.map(({ name }) => name),
    deleted: deleted.map(({ name }) => name),
    expired: gone.filter(({ endsAtMs }) => isDue(endsAtMs)).map(({ name }) => name),
    unseen: Math.max(0, moved - seen),
  };
}

/** Why writers do not stand still; undefined where they do. */
export function unrest({ written, deleted, unseen }: V2Changes): string | undefined {
  const parts = [
    ...(written.length > 0 ? [`${count(written.length, 'key was', 'keys were')} written (${some(written)})`] : []),
    ...(deleted.length > 0 ? [`${count(deleted.length, 'key was', 'keys were')} deleted (${some(deleted)})`] : []),
    ...(written.length + deleted.length === 0 && unseen > 0
      ? [`its index moved by ${unseen}, unseen in the keys`]
      : []),
  ];
  return parts.length > 0 ? parts.join(', ') : undefined;
}

const NAMED = 5;

/** The first of them by name, and how many more there are. */
export function some(names: readonly string[]): string {
  const rest = names.length - NAMED;
  return names.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

export const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`;
