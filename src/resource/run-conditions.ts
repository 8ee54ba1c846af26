import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { number, type Options, oneOf, record, text } from '../options.ts';
import { accountName } from './account-name.ts';
import { checkedPath } from './checked-path.ts';
import type { Need } from './need.ts';
import type { Change, Found } from './resource.ts';

/** When and how a command or script is run. */
export interface RunConditions {
  /** Not run where this path is there; and it has to be there afterwards. */
  creates?: string;
  /** A line of `sh` that changes nothing: not run where it succeeds. It is code: no values of others belong in it. */
  unless?: string;
  /** A line of `sh` that changes nothing: not run where it fails. It is code: no values of others belong in it. */
  onlyif?: string;
  /**
   * What check mode says where it would be run: that it changes something, or that this cannot be known. Default:
   * `changes` where a condition tells that it is due, `unknown` without any.
   */
  inCheck?: 'changes' | 'unknown';
  /** Absolute path of the directory to run in. Default: `/`. */
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** Default: root. */
  user?: string;
  /** Default: 120,000. */
  timeoutMs?: number;
}

export const CONDITIONS: Options<RunConditions> = {
  creates: text,
  unless: text,
  onlyif: text,
  inCheck: oneOf('changes', 'unknown'),
  cwd: text,
  env: record(text, 'texts'),
  user: text,
  timeoutMs: number,
};

/** @throws PlayError for what cannot be a path, a variable's name or a user. */
export function checkConditions({ creates, cwd, env = {}, user }: RunConditions): void {
  if (creates !== undefined) checkedPath(creates, 'creates');
  if (cwd !== undefined) checkedPath(cwd, 'cwd');
  if (user !== undefined) accountName(user, 'user');
  const wrong = Object.keys(env).find((name) => !/^[A-Za-z_]\w*$/.test(name));
  if (wrong !== undefined) throw new PlayError(`an environment variable cannot be called '${wrong}'`);
}

/** Where and as whom it is run. */
export function conditionsNeeds({ cwd, user }: RunConditions): Need[] {
  const directories = cwd === undefined ? [] : [{ kind: 'directory', name: cwd } as const];
  return user === undefined ? directories : [...directories, { kind: 'user', name: user }];
}

/** Prints for each condition whether it keeps the command from being run. */
export function conditionsProbe(conditions: RunConditions): string {
  const { creates, unless, onlyif } = conditions;
  const asked = (line: string) => `( ${surroundings(conditions)}\neval ${quote(line)}\n) </dev/null >/dev/null 2>&1`;
  const lines = [
    ...(creates === undefined ? [] : [`if ${isThere(creates)}; then echo created; fi`]),
    ...(unless === undefined ? [] : [`if ${asked(unless)}; then echo kept; fi`]),
    ...(onlyif === undefined ? [] : [`if ${asked(onlyif)}; then :; else echo kept; fi`]),
  ];
  return lines.length > 0 ? lines.join('\n') : ':';
}

/** The change that running is, or undefined where a condition keeps it from being run. */
export function conditional(
  conditions: RunConditions,
  { stdout, pending = false }: Pick<Found, 'stdout' | 'pending'>,
  apply: string,
): Change | undefined {
  const { creates, unless, onlyif, inCheck, timeoutMs } = conditions;
  if (/^created$/m.test(stdout)) return undefined;
  const isKept = /^kept$/m.test(stdout);
  const hasCondition = creates !== undefined || unless !== undefined || onlyif !== undefined;
  // What the condition asks about may be another thing once what comes before it is done.
  const isOpen = pending && hasCondition;
  if (isKept && !isOpen) return undefined;
  const unknown = inCheck ? inCheck === 'unknown' || (isOpen && isKept) : isOpen || !hasCondition;
  const after =
    creates === undefined
      ? ''
      : `\n${isThere(creates)} || { printf '%s\\n' ${quote(`it ended well, but did not make ${creates}`)} >&2; exit 1; }`;
  return {
    summary: isOpen && unknown ? 'depends on what comes before it' : 'run',
    apply: apply + after,
    ...(timeoutMs ? { timeoutMs } : {}),
    ...(unknown ? { unknown } : {}),
  };
}

/** Directory and variables, set in the shell itself: they stand in no argument list. */
export function surroundings({ cwd, env = {} }: RunConditions): string {
  const exports = Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`);
  return [`cd -- ${quote(cwd ?? '/')} || exit 1`, ...exports].join('\n');
}

/** Words that run others as the user. */
export function asUser({ user }: RunConditions): string {
  return user === undefined ? '' : `runuser -u ${quote(user)} -- `;
}

function isThere(path: string): string {
  return `{ [ -e ${quote(path)} ] || [ -L ${quote(path)} ]; }`;
}
