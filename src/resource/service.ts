import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, flag, needed, type Options, text } from '../options.ts';
import { type DesiredFile, desiredFile, diffFile } from './file.ts';
import type { PathState } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';
import { STARTS_AT_BOOT, unitName } from './service-state.ts';

export interface UnitWish {
  /** Name of the unit file, with its type: `web.service`, `web.timer`. */
  name: string;
  /** All of the file. Left out with `present: false`. */
  content?: string;
  /** As of a file: one without these words is kept beside it. */
  keepForeign?: string;
  /** Default: true. A unit that is removed should have been stopped and disabled before, by `service`. */
  present?: boolean;
}

const OPTIONS: Options<UnitWish> = { name: needed(text), content: text, keepForeign: text, present: flag };

/**
 * A unit file under /etc/systemd/system that systemd has read: a file not yet read counts as different.
 * @throws PlayError for a name that no unit file can have, and where there is no content.
 */
export function unit(wish: UnitWish): Resource {
  const { name, content, keepForeign, present = true } = checkedOptions('unit', wish, OPTIONS);
  if (unitName(name) !== name) throw new PlayError(`a unit file has its type in its name: ${name}.service`);
  if (present && !content) throw new PlayError(`the unit ${name} has no content`);
  const desired: DesiredFile = {
    ...desiredFile({ path: `/etc/systemd/system/${name}`, content: content ?? '', mode: 0o644 }),
    ...(keepForeign ? { keepForeign } : {}),
    afterwards: 'systemctl daemon-reload',
  };
  const { path } = desired;
  return {
    kind: 'unit',
    id: name,
    paths: [path],
    sums: [path],
    probe: `systemctl show -p NeedDaemonReload --value -- ${quote(name)}`,
    compare: ({ stdout, stat, sum }) => {
      const file = present ? diffFile(stat(path), sum(path), desired) : diffNoUnit(stat(path), path);
      return diffUnit(file, stdout.trim() === 'yes');
    },
  };
}

function diffNoUnit({ type }: PathState, path: string): Change | undefined {
  if (type === 'absent') return undefined;
  if (type === 'directory') throw new ProbeError(`${path} is there but is no file (${type})`);
  return { summary: 'no unit file', apply: `rm -f -- ${quote(path)}\nsystemctl daemon-reload` };
}

export function diffUnit(file: Change | undefined, stale: boolean): Change | undefined {
  if (file || !stale) return file;
  return { summary: 'not yet read by systemd', apply: 'systemctl daemon-reload' };
}

/**
 * A unit that starts at boot. In one task with its `unit`, it costs no look of its own, as `service` does.
 * @throws PlayError for a name that no unit can have.
 */
export function enabled(name: string): Resource {
  checkedOptions('enabled', { name }, { name: needed(text) });
  unitName(name);
  return {
    kind: 'service',
    id: name,
    probe: `systemctl is-enabled -- ${quote(name)} 2>/dev/null; :`,
    compare: ({ stdout }) =>
      STARTS_AT_BOOT.has(stdout.trim())
        ? undefined
        : { summary: 'starts at boot', apply: `systemctl enable --quiet -- ${quote(name)}` },
  };
}
