import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, flag, list, needed, number, type Options, secret, text } from '../options.ts';
import type { Secret } from '../secret.ts';
import { accountName, accountNumber } from './account-name.ts';
import { checkedPath } from './checked-path.ts';
import type { Need } from './need.ts';
import type { Change, Resource } from './resource.ts';

export interface UserWish {
  name: string;
  uid?: number;
  /** Primary group, which must be there. Default for a new user: one of the same name. */
  group?: string;
  /** Other groups, which must be there. */
  groups?: readonly string[];
  /** The user is in no other groups than `groups`. Default: false, those are added. */
  onlyGroups?: boolean;
  /** Absolute path of the log-in shell. Default for a new user: what the host gives. */
  shell?: string;
  /** Absolute path. One that differs is changed; what lies in the old one stays there. */
  home?: string;
  comment?: string;
  /** A new user has a number of the system's own range. Default: false. */
  system?: boolean;
  /** The home directory of a new user is made. Default: true, but for system users. */
  createHome?: boolean;
  /**
   * The hash of the password, as crypt(5) writes it (`$y$…`, `$6$…`); `!` or `*` where none fits. It reaches the host as a
   * secret does: over a stream, in no argument list.
   */
  password?: Secret;
  /** Only a new user gets `password`; one that is there keeps its own. Default: false. */
  keepPassword?: boolean;
  /** Default: true. A user that is removed leaves its files and its home directory. */
  present?: boolean;
}

const OPTIONS: Options<UserWish> = {
  name: needed(text),
  uid: number,
  group: text,
  groups: list(text, 'texts'),
  onlyGroups: flag,
  shell: text,
  home: text,
  comment: text,
  system: flag,
  createHome: flag,
  password: secret,
  keepPassword: flag,
  present: flag,
};

/** A user as `getent` and `id` tell it. */
export interface UserState {
  uid: number;
  group: string;
  groups: readonly string[];
  comment: string;
  home: string;
  shell: string;
  /** The password is the wanted one. */
  hasPassword: boolean;
}

/**
 * A user of the host; what the wish leaves out is left as it is. For a user that only runs a service, see `systemUser`.
 * @throws PlayError for names, numbers, paths and hashes that no account can have.
 */
export function user(wish: UserWish): Resource {
  checkedOptions('user', wish, OPTIONS);
  const name = quote(accountName(wish.name, 'user'));
  checkUser(wish);
  // Compared on the host: no hash comes back.
  const hash = wish.password && quote(wish.password.reveal());
  const shadow = `if [ "$(getent shadow -- ${name} | cut -d : -f 2)" = ${hash} ]; then echo 'password as wanted'; fi`;
  return {
    kind: 'user',
    id: wish.name,
    // A package that comes before it may bring the user.
    follows: true,
    ...accountsOf(wish),
    probe: `if getent passwd -- ${name}; then id -gn -- ${name} 2>/dev/null; id -Gn -- ${name} 2>/dev/null; ${hash ? shadow : ':'}; fi`,
    compare: ({ stdout }) => diffUser(parseUser(stdout, wish.name), wish),
  };
}

/** A new user has a group of its own name, where none is given. */
function accountsOf({ name, group, groups = [], present = true }: UserWish): Pick<Resource, 'needs' | 'makes'> {
  if (!present) return {};
  const toGroup = (one: string): Need => ({ kind: 'group', name: one });
  return {
    needs: [...(group === undefined ? [] : [group]), ...groups].map(toGroup),
    makes: [{ kind: 'user', name }, toGroup(group ?? name)],
  };
}

function checkUser({ name, uid, group, groups = [], home, shell, comment = '', password }: UserWish): void {
  for (const one of group === undefined ? groups : [group, ...groups]) accountName(one, 'group');
  if (uid !== undefined) accountNumber(uid, 'uid');
  for (const path of [home, shell]) {
    if (path === undefined) continue;
    if (/[:\p{Cc}]/u.test(checkedPath(path, 'a user'))) throw new PlayError(`a user cannot have the path '${path}'`);
  }
  if (/[:\p{Cc}]/u.test(comment)) {
    throw new PlayError('the comment of a user holds no colon, no line break and no other control character');
  }
  if (password && !/^([!*]|\$[0-9a-z-]+\$[\x21-\x39\x3b-\x7e]+$)/.test(password.reveal())) {
    throw new PlayError(`what is given as the password of ${name} is not the hash of one`, {
      next: 'Make it with: openssl passwd -6',
    });
  }
}

/** Reads a line of `getent passwd`, then `id -gn`, `id -Gn`, and what is said of the password. Undefined: no such user. */
export function parseUser(text: string, name: string): UserState | undefined {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`${name}:`));
  if (at < 0) return undefined;
  const [, , uid, , comment = '', home = '', shell = ''] = lines[at]!.split(':');
  const group = lines[at + 1] ?? '';
  const groups = (lines[at + 2] ?? '').split(' ').filter((one) => one !== '' && one !== group);
  const hasPassword = lines[at + 3] === 'password as wanted';
  return { uid: Number(uid), group, groups, comment, home, shell, hasPassword };
}

export function diffUser(actual: UserState | undefined, wish: UserWish): Change | undefined {
  const name = quote(wish.name);
  const { present = true, groups = [], onlyGroups = false } = wish;
  if (!present) return actual && { summary: 'no user', apply: `userdel -- ${name}` };
  const setPassword = wish.password
    ? [`printf '%s\\n' ${quote(`${wish.name}:${wish.password.reveal()}`)} | chpasswd -e`]
    : [];
  if (!actual) {
    return { summary: 'new user', apply: [`useradd ${newUser(wish).join(' ')} -- ${name}`, ...setPassword].join('\n') };
  }
  const words: string[] = [];
  const options: string[] = [];
  const differs = (key: 'uid' | 'group' | 'shell' | 'home' | 'comment', option: string) => {
    const wanted = wish[key];
    if (wanted === undefined || wanted === actual[key]) return;
    words.push(`${key} ${actual[key]} → ${wanted}`);
    options.push(option, quote(String(wanted)));
  };
  differs('uid', '--uid');
  differs('group', '--gid');
  differs('shell', '--shell');
  differs('home', '--home');
  differs('comment', '--comment');
  const missing = groups.filter((one) => one !== (wish.group ?? actual.group) && !actual.groups.includes(one));
  const surplus = onlyGroups ? actual.groups.filter((one) => !groups.includes(one)) : [];
  if (missing.length > 0) words.push(`in ${missing.join(', ')}`);
  if (surplus.length > 0) words.push(`not in ${surplus.join(', ')}`);
  if (onlyGroups && missing.length + surplus.length > 0) options.push('--groups', quote(groups.join(',')));
  else if (missing.length > 0) options.push('--append', '--groups', quote(missing.join(',')));
  const lines = options.length > 0 ? [`usermod ${options.join(' ')} -- ${name}`] : [];
  if (wish.password && !wish.keepPassword && !actual.hasPassword) {
    words.push('password');
    lines.push(...setPassword);
  }
  return words.length === 0 ? undefined : { summary: words.join(', '), apply: lines.join('\n') };
}

function newUser({
  name,
  uid,
  group,
  groups = [],
  shell,
  home,
  comment,
  system = false,
  createHome,
}: UserWish): string[] {
  const option = (flag: string, value: string | number | undefined) =>
    value === undefined ? [] : [flag, quote(String(value))];
  return [
    ...(system ? ['--system'] : []),
    (createHome ?? !system) ? '--create-home' : '--no-create-home',
    ...option('--uid', uid),
    ...option('--gid', group),
    // A group of the same name that is there already is its own: useradd would refuse it otherwise.
    ...(group === undefined
      ? [`$(if getent group -- ${quote(name)} >/dev/null; then echo --gid ${quote(name)}; else echo --user-group; fi)`]
      : []),
    ...option('--groups', groups.length > 0 ? groups.join(',') : undefined),
    ...option('--shell', shell),
    ...option('--home-dir', home),
    ...option('--comment', comment),
  ];
}
