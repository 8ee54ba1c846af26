import { InputError } from '../errors.ts';
import type { SerialSize } from './playbook.ts';

/** Splits the hosts of a play into the groups that `serial` asks for. @throws InputError for a size below one. */
export function serialGroups(
  hosts: readonly string[],
  serial: SerialSize | readonly SerialSize[] | undefined,
): (readonly string[])[] {
  if (serial === undefined || hosts.length === 0) return [hosts];
  const sizes = (Array.isArray(serial) ? serial : [serial]).map((size) => groupSize(size, hosts.length));
  const groups: string[][] = [];
  let next = 0;
  while (next < hosts.length) {
    const size = sizes[Math.min(groups.length, sizes.length - 1)]!;
    groups.push(hosts.slice(next, next + size));
    next += size;
  }
  return groups;
}

/** A percentage is of all hosts of the play and never comes to less than one. */
function groupSize(size: SerialSize, hosts: number): number {
  const percent = typeof size === 'string' ? /^(\d+(?:\.\d+)?)%$/.exec(size)?.[1] : undefined;
  const count = percent === undefined ? Number(size) : Math.max(1, Math.floor((Number(percent) / 100) * hosts));
  if (Number.isInteger(count) && count >= 1) return count;
  throw new InputError(`serial is ${size}`, { next: "Give a number from 1 on, or a percentage such as '30%'." });
}
