import { quote } from '../connection/quote.ts';

interface Directories {
  dataDir: string;
  walDir?: string | undefined;
}

/** A part of a member's data: what one rename moves. */
export interface DataPart {
  /** Where it lies while it is in use. */
  now: string;
  /** Where it lies under a name such as `bak-<time>`. */
  under(name: string): string;
  /** The directory that is made for that name: the same, or the one that holds it. */
  folder(name: string): string;
}

/**
 * What a member's data are moved by: the data first, then a log directory that does not come along with them. A data directory that is
 * a mount point, or a link, stays where it is (`isMount`): there all of it is within, beside other things that are nobody's business.
 */
export function dataParts({ dataDir, walDir }: Directories, isMount: boolean): DataPart[] {
  const inside = entryOfLog({ dataDir, walDir });
  const log = walDir === undefined || inside !== undefined ? [] : [whole(walDir)];
  if (!isMount) return [whole(dataDir), ...log];
  return [...new Set(['member', inside ?? 'member'])].map((entry) => within(dataDir, entry)).concat(log);
}

/** What of the data directory holds a log directory of its own, where that lies inside. */
export function entryOfLog({ dataDir, walDir }: Directories): string | undefined {
  return walDir?.startsWith(`${dataDir}/`) ? walDir.slice(dataDir.length + 1).split('/')[0] : undefined;
}

/** The log lies elsewhere than the data, and perhaps on another disk. */
export function hasOwnLog(directories: Directories): boolean {
  return directories.walDir !== undefined && entryOfLog(directories) === undefined;
}

function whole(now: string): DataPart {
  const beside = (name: string) => `${now}.${name}`;
  return { now, under: beside, folder: beside };
}

function within(dataDir: string, entry: string): DataPart {
  const folder = (name: string) => `${dataDir}/${name}`;
  return { now: `${dataDir}/${entry}`, folder, under: (name) => `${folder(name)}/${entry}` };
}

/** All directories that are made for a name. */
export function foldersOf(parts: readonly DataPart[], name: string): string[] {
  return [...new Set(parts.map((part) => part.folder(name)))];
}

/** Where a directory of etcd's settings lies under that name: that of the data, or that of the log. */
export function settingUnder({ dataDir }: Directories, parts: readonly DataPart[], path: string, name: string): string {
  const data = parts[0]!.folder(name);
  if (path === dataDir) return data;
  return path.startsWith(`${dataDir}/`) ? `${data}${path.slice(dataDir.length)}` : `${path}.${name}`;
}

/** A test of `sh`: this directory cannot be moved by a rename, or only its name would be. */
export function staysTest(path: string): string {
  return `{ [ -h ${quote(path)} ] || mountpoint -q -- ${quote(path)}; }`;
}

/**
 * Lines of `sh` that bring back the data that lie under `bak-<time>`: what is in their place goes under `failed-<time>`. They do what
 * is left to do, wherever they were cut off. The log is the last to come: as long as it is away, nobody takes for data what is there.
 * @param isOther a test of `sh` for what is in place of a part: it is not the old one.
 */
export function backLines(parts: readonly DataPart[], stamp: string, isOther: (part: DataPart) => string): string[] {
  const [data, ...log] = parts;
  const [bak, failed] = [`bak-${stamp}`, `failed-${stamp}`];
  const out = (part: DataPart) => {
    const [now, to] = [quote(part.now), quote(part.under(failed))];
    return `if [ -e ${now} ] && [ ! -e ${to} ] && ${isOther(part)}; then ${moved(part, now, to, failed)} || exit 1; fi`;
  };
  const back = (part: DataPart) => {
    const [now, from] = [quote(part.now), quote(part.under(bak))];
    // An empty directory may have been made in its place.
    const way = `[ ! -e ${now} ] || rmdir -- ${now} || exit 1`;
    return `if [ -e ${from} ]; then ${way}; mv -T -- ${from} ${now} || exit 1; fi`;
  };
  return [
    ...log.map(out),
    out(data!),
    back(data!),
    ...log.map(back),
    // What only held it is empty now.
    ...emptied(parts, bak),
  ];
}

/** A line of `sh` that moves a part, with the directory that is to hold it. */
export function moved(part: DataPart, from: string, to: string, name: string): string {
  const folder = part.folder(name);
  const made = folder === part.under(name) ? '' : `mkdir -p -m 0700 -- ${quote(folder)} && `;
  return `${made}mv -T -- ${from} ${to}`;
}

/** Lines that take away directories that only held parts, once they are empty. */
export function emptied(parts: readonly DataPart[], name: string): string[] {
  const holders = parts.filter((part) => part.folder(name) !== part.under(name)).map((part) => part.folder(name));
  return [...new Set(holders)].map((folder) => `rmdir -- ${quote(folder)} 2>/dev/null || :`);
}
