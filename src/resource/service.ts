import { quote } from '../connection/quote.ts';
import { diffFile, type FileWish, fileProbe, parseFileState } from './file.ts';
import type { Change, Resource } from './resource.ts';

/** A unit file under /etc/systemd/system that systemd has read: a file not yet read counts as different. */
export function unit({ name, content }: { name: string; content: string }): Resource {
  const desired: FileWish = {
    path: `/etc/systemd/system/${name}`,
    content,
    owner: 'root',
    group: 'root',
    mode: 0o644,
    secret: false,
    afterwards: 'systemctl daemon-reload',
  };
  return {
    kind: 'unit',
    id: name,
    probe: `systemctl show -p NeedDaemonReload --value -- ${quote(name)}\n${fileProbe(desired)}`,
    compare: ({ stdout }) => {
      const [stale = '', ...rest] = stdout.split('\n');
      return diffUnit(diffFile(parseFileState(rest.join('\n')), desired), stale.trim() === 'yes');
    },
  };
}

export function diffUnit(file: Change | undefined, stale: boolean): Change | undefined {
  if (file || !stale) return file;
  return { summary: 'not yet read by systemd', apply: 'systemctl daemon-reload' };
}

/** A unit that starts at boot. */
export function enabled(name: string): Resource {
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
