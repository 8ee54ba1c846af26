import { quote } from '../connection/quote.ts';
import {
  type Ownership,
  octal,
  ownershipDifference,
  type PathState,
  parsePathState,
  setOwnership,
  statProbe,
} from './ownership.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface DirectoryWish extends Ownership {
  path: string;
  /** Leave owner and mode alone where the directory is there already: for shared directories such as /etc/ssl/certs. */
  onlyCreate?: boolean;
}

/** A directory with its parents; parents that are made get root and 0755. */
export function directory(wish: Omit<DirectoryWish, 'owner' | 'group'> & Partial<Ownership>): Resource {
  const desired: DirectoryWish = { owner: 'root', group: wish.owner ?? 'root', ...wish };
  return {
    kind: 'directory',
    id: desired.path,
    // Through a link to a directory: people put data on other disks that way.
    probe: `p=${quote(desired.path)}; if [ -d "$p" ]; then stat -Lc '%F|%a|%U|%G' -- "$p"; else ${statProbe(desired.path)}; fi`,
    compare: ({ stdout }) => diffDirectory(parsePathState(stdout), desired),
  };
}

export function diffDirectory(actual: PathState, desired: DirectoryWish): Change | undefined {
  const path = quote(desired.path);
  if (actual.type === 'directory') {
    const words = desired.onlyCreate ? [] : ownershipDifference(actual, desired);
    return words.length === 0 ? undefined : { summary: words.join(', '), apply: setOwnership(path, desired) };
  }
  if (actual.type !== 'absent') throw new ProbeError(`${desired.path} is there but is no directory (${actual.type})`);
  const made = `mkdir -p -- ${path}\n${setOwnership(path, desired)}`;
  return { summary: `new directory, ${desired.owner}, ${octal(desired.mode)}`, apply: made };
}
