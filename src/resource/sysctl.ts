import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, needed, type Options, record, text, textOrNumber } from '../options.ts';
import { desiredFile, diffFile } from './file.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface SysctlWish {
  /** Name of the file under /etc/sysctl.d, without `.conf`: `60-web`. Files are read in the order of their names. */
  name: string;
  /** Settings of the kernel by name, such as `vm.swappiness`. */
  values: Readonly<Record<string, string | number>>;
}

const OPTIONS: Options<SysctlWish> = { name: needed(text), values: needed(record(textOrNumber, 'texts and numbers')) };

/**
 * Settings of the kernel: now, and by a file of /etc/sysctl.d after a boot. A setting that leaves `values` keeps its
 * running value until then.
 * @throws PlayError for names that no setting and no file can have.
 */
export function sysctl(wish: SysctlWish): Resource {
  const { name, values } = checkedOptions('sysctl', wish, OPTIONS);
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(name)) throw new PlayError(`a file of sysctl.d cannot be called '${name}'`);
  const settings = new Map(Object.entries(values).map(([key, value]) => [key, checkedValue(key, String(value))]));
  const path = `/etc/sysctl.d/${name}.conf`;
  const content = [...settings].map(([key, value]) => `${key} = ${value}\n`).join('');
  const desired = desiredFile({ path, content, mode: 0o644 });
  const files = [...settings.keys()].map((key) => quote(settingFile(key)));
  return {
    kind: 'sysctl',
    id: name,
    paths: [path],
    sums: [path],
    // A module that comes before it may bring the setting.
    follows: true,
    probe: `for f in ${files.join(' ')}; do if v=$(cat -- "$f" 2>/dev/null); then printf '=%s\\n' "$v"; else echo -; fi; done`,
    compare: ({ stat, sum, stdout }) =>
      diffSysctl(diffFile(stat(path), sum(path), desired), parseValues(stdout, [...settings.keys()]), settings),
  };
}

/** Reads what the probe printed: a line for each setting; undefined where the kernel has none of that name. */
export function parseValues(text: string, keys: readonly string[]): Map<string, string | undefined> {
  const lines = text.split('\n');
  return new Map(
    keys.map((key, index) => [key, lines[index]?.startsWith('=') ? words(lines[index].slice(1)) : undefined]),
  );
}

export function diffSysctl(
  file: Change | undefined,
  running: ReadonlyMap<string, string | undefined>,
  wanted: ReadonlyMap<string, string>,
): Change | undefined {
  const due = [...wanted].filter(([key, value]) => running.get(key) !== words(value));
  const unknown = due.find(([key]) => running.get(key) === undefined);
  if (unknown) throw new ProbeError(`the kernel of this host has no setting ${unknown[0]}, or none that can be read`);
  if (!file && due.length === 0) return undefined;
  const summaries = due.map(([key, value]) => `${key} ${running.get(key)} → ${value}`);
  const writes = due.map(([key, value]) => `printf '%s\\n' ${quote(value)} >${quote(settingFile(key))}`);
  return {
    ...file,
    summary: [...(file ? [file.summary] : []), ...summaries].join(', '),
    // The value first: one that the kernel refuses must not wait in a file for the next boot.
    apply: [...writes, ...(file ? [file.apply] : [])].join('\n'),
  };
}

function checkedValue(key: string, value: string): string {
  if (!/^[a-z0-9_]+([./][A-Za-z0-9_@:-]+)+$/.test(key))
    throw new PlayError(`no setting of the kernel is called '${key}'`);
  if (/[\n\r\0]/.test(value) || value.trim() === '') throw new PlayError(`${key} cannot be set to '${value}'`);
  return value.trim();
}

/** The kernel parts the numbers of a setting by tabs. */
function words(value: string): string {
  return value.trim().replace(/\s+/g, ' ');
}

/** sysctl(8): dots part the levels; where a slash comes first, slashes do, and a dot is a dot (`net/ipv4/conf/eth0.1`). */
function settingFile(key: string): string {
  const first = /[./]/.exec(key)?.[0];
  const swapped = key.replace(/[./]/g, (one) => (one === '.' ? '/' : '.'));
  return `/proc/sys/${first === '/' ? key : swapped}`;
}
