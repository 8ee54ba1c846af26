import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, flag, needed, type Options, oneOf, text } from '../options.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface ServiceWish {
  /** A unit of systemd: `nginx` is `nginx.service`. */
  name: string;
  /** `restarted` and `reloaded` are done each time: they are for handlers. Left out, nothing is started or stopped. */
  state?: 'started' | 'stopped' | 'restarted' | 'reloaded';
  /** Starts at boot. Left out, it is left as it is. */
  enabled?: boolean;
  /** A masked unit cannot be started, by hand or by others. Left out, one that is to be started or enabled is unmasked. */
  masked?: boolean;
}

const OPTIONS: Options<ServiceWish> = {
  name: needed(text),
  state: oneOf('started', 'stopped', 'restarted', 'reloaded'),
  enabled: flag,
  masked: flag,
};

/** What `systemctl show` says of a unit. */
export interface ServiceState {
  /** `loaded`, `not-found`, `masked`, … */
  load: string;
  /** `active`, `inactive`, `failed`, `activating`, … */
  active: string;
  /** `enabled`, `disabled`, `static`, `masked`, …; empty where there is no unit file. Of a script of /etc/init.d, too. */
  file: string;
}

/**
 * A unit of systemd that runs or not, now and after a boot. Its file is the work of `unit`, or of a package.
 * @throws PlayError for a name that no unit can have, and for a masked unit that is to run.
 */
export function service(wish: ServiceWish): Resource {
  checkedOptions('service', wish, OPTIONS);
  const name = quote(unitName(wish.name));
  if (wish.masked && (wish.enabled || (wish.state !== undefined && wish.state !== 'stopped'))) {
    throw new PlayError(`${wish.name} cannot be masked and run`);
  }
  return {
    kind: 'service',
    id: wish.name,
    probe: [
      `s=$(systemctl show -p LoadState -p ActiveState -p UnitFileState -- ${name}) || exit`,
      `printf '%s\\n' "$s"`,
      `case $s in *UnitFileState=generated*) systemctl is-enabled -- ${name} 2>/dev/null ;; esac; :`,
    ].join('\n'),
    follows: true,
    compare: ({ code, stdout, pending }) => {
      if (code !== 0) throw new ProbeError(`systemd does not answer for ${wish.name}: ${stdout.trim()}`);
      const actual = parseService(stdout);
      const change = diffService(actual, wish);
      const mayCome = pending && actual.load === 'not-found' && (wish.state === 'stopped' || wish.enabled === false);
      return change ?? (mayCome ? MAY_COME : undefined);
    },
  };
}

/** In check mode, where nothing is there to be stopped: what comes before it is not done yet. */
const MAY_COME: Change = {
  summary: 'not there, but what comes before it may bring it',
  apply: 'exit 1',
  unknown: true,
};

/** @throws PlayError for a name that no unit can have, or that systemctl would take for a pattern. */
export function unitName(name: string): string {
  if (!/^[A-Za-z0-9:_.@\\-]{1,255}$/.test(name) || name.startsWith('-')) {
    throw new PlayError(`a unit cannot be called '${name}'`);
  }
  return /\.[a-z]+$/.test(name) && UNIT_TYPES.has(name.slice(name.lastIndexOf('.') + 1)) ? name : `${name}.service`;
}

const UNIT_TYPES = new Set('service socket target timer path mount automount swap slice scope device'.split(' '));

export function parseService(text: string): ServiceState {
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? '';
  const file = value('UnitFileState');
  const ofScript = file === 'generated' ? /^(?:enabled|disabled)$/m.exec(text)?.[0] : undefined;
  return { load: value('LoadState'), active: value('ActiveState'), file: ofScript ?? file };
}

export function diffService(actual: ServiceState, wish: ServiceWish): Change | undefined {
  const { state, enabled, masked } = wish;
  const name = quote(unitName(wish.name));
  const isThere = actual.load !== 'not-found';
  const isMasked = actual.load === 'masked' || actual.file.startsWith('masked');
  const runs = RUNNING.has(actual.active);
  const wantsIt = enabled || (state !== undefined && state !== 'stopped');
  if (!isThere && (wantsIt || (enabled === false && actual.file !== ''))) {
    throw new ProbeError(`the host has no unit ${wish.name}`);
  }
  const words: string[] = [];
  const lines: string[] = [];
  const due = (word: string, verb: string) => {
    words.push(word);
    lines.push(`systemctl ${verb} -- ${name}`);
  };
  if (isMasked && (masked === false || (masked === undefined && wantsIt))) due('unmasked', 'unmask --quiet');
  if (enabled === true && !STARTS_AT_BOOT.has(actual.file)) due('starts at boot', 'enable --quiet');
  if (enabled === false && /^enabled/.test(actual.file)) due('does not start at boot', 'disable --quiet');
  if (state === 'stopped' && !RESTING.has(actual.active)) due('stopped', 'stop');
  if (masked && !isMasked) due('masked', 'mask --quiet');
  if (state === 'started' && !runs)
    due(actual.active === 'failed' ? 'started again: it had failed' : 'started', 'start');
  if (state === 'restarted') due('restarted', 'restart');
  if (state === 'reloaded') due('reloaded', 'reload-or-restart');
  return words.length === 0 ? undefined : { summary: words.join(', '), apply: lines.join('\n') };
}

const RUNNING = new Set(['active', 'reloading', 'refreshing']);
/** One that is `activating` may be one that crashes, and is started again and again. */
const RESTING = new Set(['inactive', 'failed']);
/** What has no `[Install]` section is started by others: to enable it means nothing. */
export const STARTS_AT_BOOT = new Set(['enabled', 'static', 'alias', 'indirect', 'generated']);
