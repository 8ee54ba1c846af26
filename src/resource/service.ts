import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { diffFile, type FileWish } from './file.ts';
import type { Change, Resource } from './resource.ts';
import { unitName } from './service-state.ts';

export interface UnitWish {
  name: string;
  content: string;
  /** As of a file: one without these words is kept beside it. */
  keepForeign?: string;
}

/**
 * A unit file under /etc/systemd/system that systemd has read: a file not yet read counts as different.
 * @throws PlayError for a name that no unit file can have.
 */
export function unit({ name, content, keepForeign }: UnitWish): Resource {
  if (unitName(name) !== name) throw new PlayError(`a unit file has its type in its name: ${name}.service`);
  const desired: FileWish = {
    path: `/etc/systemd/system/${name}`,
    content,
    owner: 'root',
    group: 'root',
    mode: 0o644,
    secret: false,
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
    compare: ({ stdout, stat, sum }) => diffUnit(diffFile(stat(path), sum(path), desired), stdout.trim() === 'yes'),
  };
}

export function diffUnit(file: Change | undefined, stale: boolean): Change | undefined {
  if (file || !stale) return file;
  return { summary: 'not yet read by systemd', apply: 'systemctl daemon-reload' };
}

/**
 * A unit that starts at boot.
 * @throws PlayError for a name that no unit can have.
 */
export function enabled(name: string): Resource {
  unitName(name);
  return {
    kind: 'service',
    id: name,
    probe: `systemctl is-enabled -- ${quote(name)} 2>/dev/null; :`,
    compare: ({ stdout }) =>
      stdout.trim() === 'enabled'
        ? undefined
        : { summary: 'starts at boot', apply: `systemctl enable --quiet -- ${quote(name)}` },
  };
}
