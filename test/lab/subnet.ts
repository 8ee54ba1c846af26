import { createHash } from 'node:crypto';
import { LabError } from './lab-error.ts';

/** The first two numbers of all addresses the lab gives away; another private /16 where this one is in use. */
export const prefix = process.env.ETCD_PLAY_LAB_NET || '10.213';
export const range = `${prefix}.0.0/16`;
/** Hosts of one lab: h1 is .11, h200 is .210. */
export const maxHosts = 200;

/** A subnet number (0–255) for a lab: decided by its name, the next free one when another lab has that. */
export function chooseSubnet(name: string, taken: ReadonlySet<number>): number {
  const first = createHash('sha256').update(name).digest()[0]!;
  for (let step = 0; step < 256; step++) {
    const subnet = (first + step) % 256;
    if (!taken.has(subnet)) return subnet;
  }
  throw new LabError('all 256 subnets of the lab are taken', { next: 'run `npm run lab -- down --all`' });
}

/** The number in a host's name: 3 of `h3`. */
export function hostNumber(host: string | number): number {
  const number = typeof host === 'number' ? host : Number(/^h([1-9]\d*)$/.exec(host)?.[1]);
  if (Number.isInteger(number) && number >= 1 && number <= maxHosts) return number;
  throw new LabError(`"${host}" is no host of the lab`, { next: `hosts are h1, h2, … up to h${maxHosts}` });
}

export function addressIn(subnet: number, host: string | number): string {
  return `${prefix}.${subnet}.${10 + hostNumber(host)}`;
}

/** The machine's own address on the lab's bridge. */
export function gatewayOf(subnet: number): string {
  return `${prefix}.${subnet}.1`;
}
