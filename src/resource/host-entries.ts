import { isIP } from 'node:net';
import { PlayError } from '../errors.ts';
import { checkedOptions, list, needed, type Options, object, text } from '../options.ts';
import { blockInFile } from './block-in-file.ts';
import type { Resource } from './resource.ts';

export interface HostEntriesWish {
  /** Tells this block from others in the same file: letters, digits, dots, dashes and blanks. */
  name: string;
  /** An address and its names, one line each; none at all removes the block. */
  entries: readonly { address: string; names: readonly string[] }[];
  /** Default: /etc/hosts. */
  path?: string;
}

const OPTIONS: Options<HostEntriesWish> = {
  name: needed(text),
  entries: needed(list(object({ address: needed(text), names: needed(list(text, 'texts')) }), '{ address, names }')),
  path: text,
};

/**
 * A block of lines in /etc/hosts between two marks of ours; what stands outside of it is not touched.
 * @throws PlayError for what is no address, or a name that is none.
 */
export function hostEntries(wish: HostEntriesWish): Resource {
  const { name, entries, path = '/etc/hosts' } = checkedOptions('hostEntries', wish, OPTIONS);
  return { ...blockInFile({ path, name, lines: entries.map(entryLine) }), kind: 'host entries' };
}

function entryLine({ address, names }: HostEntriesWish['entries'][number]): string {
  if (isIP(address) === 0) throw new PlayError(`host entries: '${address}' is no IP address`);
  const wrong = names.find((one) => !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/i.test(one));
  if (names.length === 0 || wrong !== undefined) {
    throw new PlayError(`host entries: ${address} has no name that a host may have${wrong ? `: '${wrong}'` : ''}`);
  }
  return `${address} ${names.join(' ')}`;
}
