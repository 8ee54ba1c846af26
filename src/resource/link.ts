import { posix } from 'node:path';
import { quote } from '../connection/quote.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

/** A symbolic link, switched atomically. A file or directory in its place is left alone and is an error. */
export function link({ path, target }: { path: string; target: string }): Resource {
  const p = quote(path);
  return {
    kind: 'link',
    id: path,
    probe: `if [ -h ${p} ]; then echo link; readlink -- ${p}; elif [ -e ${p} ]; then echo other; else echo absent; fi`,
    compare: ({ stdout }) => {
      const [type, found] = stdout.split('\n');
      return diffLink({ type: type as LinkState['type'], target: found ?? '' }, { path, target });
    },
  };
}

export interface LinkState {
  type: 'link' | 'other' | 'absent';
  target: string;
}

export function diffLink(actual: LinkState, { path, target }: { path: string; target: string }): Change | undefined {
  if (actual.type === 'other') {
    throw new ProbeError(`${path} is there and is no link: move it aside if it is not needed`);
  }
  if (actual.type === 'link' && actual.target === target) return undefined;
  const temporary = quote(posix.join(posix.dirname(path), `.${posix.basename(path)}.etcd-play-new`));
  return {
    summary: actual.type === 'link' ? `${actual.target} → ${target}` : `new link to ${target}`,
    apply: `rm -f -- ${temporary}\nln -s -- ${quote(target)} ${temporary}\nmv -fT -- ${temporary} ${quote(path)}`,
  };
}
