import { quote } from '../connection/quote.ts';
import { checkedOptions, flag, needed, number, type Options, text } from '../options.ts';
import { accountName, accountNumber } from './account-name.ts';
import type { Change, Resource } from './resource.ts';

export interface GroupWish {
  name: string;
  /** Number of the group; one that differs is changed, the group of files that bear the old number is not. */
  gid?: number;
  /** A new group takes a number of the system's own range. Default: false. */
  system?: boolean;
  /** Default: true. */
  present?: boolean;
}

const OPTIONS: Options<GroupWish> = { name: needed(text), gid: number, system: flag, present: flag };

/**
 * A group of the host.
 * @throws PlayError for a name or a number that no group can have.
 */
export function group(wish: GroupWish): Resource {
  checkedOptions('group', wish, OPTIONS);
  const name = quote(accountName(wish.name, 'group'));
  if (wish.gid !== undefined) accountNumber(wish.gid, 'gid');
  return {
    kind: 'group',
    id: wish.name,
    // A user that comes or goes before it brings or takes its own group, a package its own.
    follows: true,
    makes: wish.present === false ? [] : [{ kind: 'group', name: wish.name }],
    probe: `getent group -- ${name} || :`,
    compare: ({ stdout }) => diffGroup(parseGroup(stdout, wish.name), wish),
  };
}

/** Reads a line of `getent group`; the number of the group, or undefined where there is none. */
export function parseGroup(text: string, name: string): { gid: number } | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${name}:`));
  return line === undefined ? undefined : { gid: Number(line.split(':')[2]) };
}

export function diffGroup(
  actual: { gid: number } | undefined,
  { name, gid, system = false, present = true }: GroupWish,
): Change | undefined {
  const word = quote(name);
  if (!present) return actual && { summary: 'no group', apply: `groupdel -- ${word}` };
  const number = gid === undefined ? '' : ` --gid ${gid}`;
  if (!actual) return { summary: 'new group', apply: `groupadd${system ? ' --system' : ''}${number} -- ${word}` };
  if (gid === undefined || actual.gid === gid) return undefined;
  return { summary: `gid ${actual.gid} → ${gid}`, apply: `groupmod${number} -- ${word}` };
}
