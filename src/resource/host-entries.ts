import { isIP } from 'node:net';
import { PlayError } from '../errors.ts';
import { inEncoding, readHostText, rewrite, textProbe } from './edited-text.ts';
import { ProbeError, type Resource } from './resource.ts';

export interface HostEntriesWish {
  /** Tells this block from others in the same file: letters, digits, dots, dashes and blanks. */
  name: string;
  /** An address and its names, one line each; none at all removes the block. */
  entries: readonly { address: string; names: readonly string[] }[];
  /** Default: /etc/hosts. */
  path?: string;
}

/**
 * A block of lines in /etc/hosts between two marks of ours; what stands outside of it is not touched.
 * @throws PlayError for what is no address, or a name that is none.
 */
export function hostEntries({ name, entries, path = '/etc/hosts' }: HostEntriesWish): Resource {
  if (!/^[\w.-]+( [\w.-]+)*$/.test(name)) throw new PlayError(`the block of host entries cannot be called '${name}'`);
  const lines = entries.map(({ address, names }) => {
    const wrong = names.find((one) => !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/i.test(one));
    if (isIP(address) === 0) throw new PlayError(`host entries: '${address}' is no IP address`);
    if (names.length === 0 || wrong !== undefined) {
      throw new PlayError(`host entries: ${address} has no name that a host may have${wrong ? `: '${wrong}'` : ''}`);
    }
    return `${address} ${names.join(' ')}`;
  });
  return {
    kind: 'host entries',
    id: name,
    paths: [path],
    probe: textProbe(path),
    follows: true,
    compare(found) {
      const before = readHostText(found, path);
      if (!before) throw new ProbeError(`${path} is not there`);
      const after = withBlock(
        before.text,
        name,
        lines.map((line) => inEncoding(line, before.encoding)),
      );
      if (after === before.text) return undefined;
      const count = lines.length === 1 ? '1 entry' : `${lines.length} entries`;
      return { summary: lines.length > 0 ? count : 'no entries', ...rewrite(path, before, after, found.stat(path)) };
    },
  };
}

/** The text with these lines between the marks; in its old place, or at the end. */
export function withBlock(text: string, name: string, lines: readonly string[]): string {
  const [begin, end] = [`# BEGIN etcd-play: ${name}`, `# END etcd-play: ${name}`];
  const all = text.split('\n');
  const first = all.indexOf(begin);
  const last = all.indexOf(end, first + 1);
  const block = lines.length > 0 ? [begin, ...lines, end] : [];
  if (first >= 0 && last > first) return all.toSpliced(first, last - first + 1, ...block).join('\n');
  // A mark without the other: someone edited it. What is between cannot be known, so only the mark goes.
  const rest = all.filter((line) => line !== begin && line !== end).join('\n');
  if (block.length === 0) return rest;
  return `${rest}${rest === '' || rest.endsWith('\n') ? '' : '\n'}${block.join('\n')}\n`;
}
