import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, flag, needed, type Options, text } from '../options.ts';
import { checkedPath } from './checked-path.ts';
import type { PathState } from './path-state.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface AbsentWish {
  /** An absolute path. Of a link, the link itself. */
  path: string;
  /** A directory goes with all that is in it; without this, one that is there is an error. */
  recurse?: boolean;
}

const OPTIONS: Options<AbsentWish> = { path: needed(text), recurse: flag };

/**
 * A path where nothing is. Refused are `/`, the directories a system stands on, mount points and whatever has one below
 * it. What is removed is not shown as a diff: nobody said whether it is a secret.
 * @throws PlayError for a path that is empty, relative, has `..` in it, or is `/`.
 */
export function absent(wish: AbsentWish): Resource {
  const { path, recurse = false } = checkedOptions('absent', wish, OPTIONS);
  const checked = checkedPath(path, 'absent');
  if (/^\/+$/.test(checked)) throw new PlayError('absent does not remove /');
  const p = quote(checked);
  return {
    kind: 'absent',
    id: checked,
    // A package or a command that comes before it may bring it.
    follows: true,
    paths: [checked],
    // Where it really is, by whatever links lead there; then all mount points.
    probe: `readlink -f -- ${p} || echo; cut -d ' ' -f 5 /proc/self/mountinfo`,
    compare: ({ stat, stdout, pending }) => {
      if (pending && stat(checked).type === 'absent') return MAY_COME;
      const [real = '', ...mounts] = stdout.split('\n');
      return diffAbsent(stat(checked), { path: checked, recurse }, { real, mounts: mounts.map(unescaped) });
    },
  };
}

/** In check mode, where nothing is there: what comes before it is not done yet. */
const MAY_COME: Change = {
  summary: 'not there, but what comes before it may bring it',
  apply: 'exit 1',
  unknown: true,
};

export function diffAbsent(
  { type }: PathState,
  { path, recurse = false }: AbsentWish,
  { real, mounts }: { real: string; mounts: readonly string[] },
): Change | undefined {
  if (type === 'absent') return undefined;
  const p = quote(path);
  if (type !== 'directory')
    return { summary: `no ${type === 'other' ? 'special file' : type}`, apply: `rm -f -- ${p}` };
  if (!recurse) throw new ProbeError(`${path} is a directory: it is only removed where the task says recurse`);
  if (SYSTEM_DIRECTORIES.has(path) || SYSTEM_DIRECTORIES.has(real))
    throw new ProbeError(`${path} is a directory that the system stands on`);
  const mount = mounts.find((one) => [path, real].some((dir) => one === dir || one.startsWith(`${dir}/`)));
  if (mount !== undefined) throw new ProbeError(`${path} is not removed: ${mount} is mounted there`);
  // What is mounted after we looked stays, too.
  return { summary: 'no directory, with all in it', apply: `rm -rf --one-file-system --preserve-root=all -- ${p}` };
}

/** Directories that a system stands on. */
export const SYSTEM_DIRECTORIES: ReadonlySet<string> = new Set(
  'bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin srv sys tmp usr var usr/bin usr/lib usr/local usr/sbin usr/share var/lib var/log'
    .split(' ')
    .map((name) => `/${name}`),
);

/** The kernel writes blanks and backslashes in mountinfo as octal. */
function unescaped(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}
