import { quote } from '../connection/quote.ts';
import type { Need } from '../resource/need.ts';
import type { Change, Found, Resource } from '../resource/resource.ts';

/** Looks for all that these resources need. What is missing is what the host is sure of: accounts may be in a directory service. */
export function needsLook(resources: readonly Resource[]): Resource {
  const needs = resources.flatMap(({ needs = [] }) => needs);
  const named = (kind: Need['kind']) => [...new Set(needs.flatMap((need) => (need.kind === kind ? [need.name] : [])))];
  const asked = (kind: 'user' | 'group', database: string) => {
    // Each is a program of its own, and these are everywhere.
    const names = named(kind).filter((name) => name !== 'root');
    if (names.length === 0) return [];
    const isMissing = `getent ${database} -- "$n" >/dev/null 2>&1; [ $? -ne 2 ]`;
    return [`for n in ${names.map(quote).join(' ')}; do ${isMissing} || printf 'no ${kind} %s\\n' "$n"; done`];
  };
  return {
    kind: 'needs',
    id: 'all',
    paths: named('directory'),
    probe: [...asked('user', 'passwd'), ...asked('group', 'group'), ':'].join('\n'),
    compare: () => undefined,
  };
}

/** Check mode: what the changes of a run would have made by now on each host. */
export class Made {
  readonly #byHost = new Map<string, Need[]>();

  add(host: string, needs: readonly Need[] = []): void {
    const all = this.#byHost.get(host) ?? [];
    all.push(...needs);
    this.#byHost.set(host, all);
  }

  has(host: string, { kind, name }: Need): boolean {
    return (this.#byHost.get(host) ?? []).some((one) => one.kind === kind && (one.name === name || isBelow(one, name)));
  }
}

/** A directory is made with its parents. */
function isBelow(made: Need, name: string): boolean {
  return made.kind === 'directory' && made.name.startsWith(`${name}/`);
}

/**
 * The change as check mode can tell it: unknown where something is missing that nothing before it is known to make.
 * `found`: the answer to {@link needsLook}.
 */
export function withNeeds(
  change: Change,
  { needs = [] }: Resource,
  { stdout, stat }: Found,
  isMade: (need: Need) => boolean,
): Change {
  const said = new Set(stdout.split('\n'));
  const isMissing = ({ kind, name }: Need) =>
    kind === 'directory' ? (stat(name).behind ?? stat(name)).type !== 'directory' : said.has(`no ${kind} ${name}`);
  const missing = needs.filter((need) => isMissing(need) && !isMade(need));
  if (missing.length === 0) return change;
  const words = [...new Set(missing.map(({ kind, name }) => `no ${kind} ${name}`))].join(', ');
  return { ...change, unknown: true, summary: `${change.summary}, but there is ${words} yet` };
}
