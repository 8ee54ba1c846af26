import type { MessageData } from '../../runner/events.ts';
import { isInOrder } from '../backup/v2/keys.ts';
import type { V2Found } from '../plan/migrate.ts';
import { count, some, type V2Reading } from '../v2/still.ts';
import { isHidden } from '../v2/tree.ts';
import { isChosen, type NameMapping } from './twins.ts';

/** What v2 holds, and what of it has no place in v3. */
export function contentText(host: string, { tree, index }: V2Reading, mapping: NameMapping, users: number): string {
  const chosen = tree.keys.filter((key) => isChosen(key, mapping));
  const within = (names: readonly string[]) => names.filter((name) => name.startsWith(mapping.prefix));
  const ending = chosen.filter(({ endsAtMs }) => endsAtMs !== undefined).length;
  const hidden = chosen.filter(({ name }) => isHidden(name));
  const inOrder = chosen.filter(({ name }) => isInOrder(name)).length;
  const [empty, ends] = [within(tree.empty), within(tree.endingDirectories)];
  const rows = [
    `V2 as ${host} serves it, index ${index}`,
    `  ${count(chosen.length, 'key', 'keys')} in ${count(within(tree.directories).length, 'directory', 'directories')}${mapping.prefix === '' ? '' : ` below ${mapping.prefix}`}, ${ending} with an end`,
    ...(hidden.length > 0
      ? [
          `  ${count(hidden.length, 'key is', 'keys are')} hidden (${some(hidden.map(({ name }) => name))}): in v3 all see them`,
        ]
      : []),
    ...(ends.length > 0
      ? [
          `  ${count(ends.length, 'directory ends', 'directories end')} by itself (${some(ends)}): each key in it gets that end, one that is made later does not`,
        ]
      : []),
    ...(empty.length > 0
      ? [
          `  ${count(empty.length, 'directory is', 'directories are')} empty (${some(empty)}): v3 has no directories, they are not brought`,
        ]
      : []),
    ...(inOrder > 0
      ? [
          `  ${count(inOrder, 'key was', 'keys were')} made in order, by POST: they keep their names, and v3 makes no such names`,
        ]
      : []),
    ...(users > 0 ? [`  ${count(users, 'user', 'users')} of v2: not brought, v3 has its own`] : []),
    '  indices are not brought: v3 counts its own revisions',
  ];
  return rows.join('\n');
}

/** What v3 has under the same names, and what is not brought by reason of it. */
export function overlapText({ keys, missing, same, late, different, short, unreadable }: V2Found): string {
  const rows = [
    `V3 under these ${keys} names`,
    `  ${missing} are not there, ${same} are there with the same value and end${late > 0 ? `, ${late} with a lease of an earlier run that ends at another time` : ''}`,
    ...different
      .slice(0, SHOWN)
      .map(({ name, how }) => `  ${name} is there with ${how === 'other end' ? 'another end' : 'another value'}`),
    ...(different.length > SHOWN ? [`  … and ${different.length - SHOWN} more are there otherwise`] : []),
    ...(short > 0 ? [`  ${count(short, 'key ends', 'keys end')} within seconds: waited for, not brought`] : []),
    ...(unreadable.length > 0
      ? [
          `  ${count(unreadable.length, 'key holds', 'keys hold')} bytes that are no UTF-8 (${some(unreadable)}): v2 does not give them out`,
        ]
      : []),
  ];
  return rows.join('\n');
}

const SHOWN = 20;

/** The same for programs. */
export function v2Record(host: string, { tree, index }: V2Reading, mapping: NameMapping, found: V2Found): MessageData {
  const chosen = tree.keys.filter((key) => isChosen(key, mapping));
  const within = (names: readonly string[]) => names.filter((name) => name.startsWith(mapping.prefix));
  const { missing, same, late, short, different, unreadable } = found;
  return {
    kind: 'v2',
    host,
    index,
    keys: chosen.length,
    directories: within(tree.directories).length,
    ending: chosen.filter(({ endsAtMs }) => endsAtMs !== undefined).length,
    hidden: chosen.filter(({ name }) => isHidden(name)).map(({ name }) => name),
    emptyDirectories: within(tree.empty),
    endingDirectories: within(tree.endingDirectories),
    v3: { missing, same, late, short, different, unreadable },
  };
}
