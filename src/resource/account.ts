import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, needed, type Options, text } from '../options.ts';
import { accountName } from './account-name.ts';
import { checkedPath } from './checked-path.ts';
import type { Change, Resource } from './resource.ts';

export interface SystemUserWish {
  name: string;
  home: string;
  comment: string;
}

const OPTIONS: Options<SystemUserWish> = { name: needed(text), home: needed(text), comment: needed(text) };

/**
 * A system user without log-in, with a group of the same name. One that is there is left as it is.
 * @throws PlayError for what the fields of /etc/passwd cannot hold.
 */
export function systemUser(wish: SystemUserWish): Resource {
  checkedOptions('systemUser', wish, OPTIONS);
  const name = quote(accountName(wish.name, 'user'));
  if (/[:\p{Cc}]/u.test(checkedPath(wish.home, 'a user') + wish.comment)) {
    throw new PlayError('home and comment of a user hold no colon, no line break and no other control character');
  }
  return {
    kind: 'user',
    id: wish.name,
    // A package that comes before it may bring the user.
    follows: true,
    makes: [
      { kind: 'user', name: wish.name },
      { kind: 'group', name: wish.name },
    ],
    probe: `getent passwd -- ${name} >/dev/null && echo user || { getent group -- ${name} >/dev/null && echo group; }; :`,
    compare: ({ stdout }) => diffSystemUser({ group: /^group$/m.test(stdout), user: /^user$/m.test(stdout) }, wish),
  };
}

export function diffSystemUser(actual: { group: boolean; user: boolean }, wish: SystemUserWish): Change | undefined {
  if (actual.user) return undefined;
  const name = quote(wish.name);
  const shell = 'shell=/usr/sbin/nologin; [ -x "$shell" ] || shell=/sbin/nologin; [ -x "$shell" ] || shell=/bin/false';
  const add = `useradd --system --no-create-home --gid ${name} --home-dir ${quote(wish.home)} --shell "$shell" --comment ${quote(wish.comment)} ${name}`;
  return {
    summary: actual.group ? 'new system user' : 'new system user and group',
    apply: `${actual.group ? '' : `groupadd --system ${name}\n`}${shell}\n${add}`,
  };
}
