import { writeFile } from 'node:fs/promises';
import { command, tryCommand } from './command.ts';
import { LabError } from './lab-error.ts';
import { mark } from './places.ts';
import { type LabRecord, machineOf } from './state.ts';
import { addressIn, gatewayOf, hostNumber, range } from './subnet.ts';

interface Link {
  ifname: string;
  ifalias?: string;
  flags: string[];
}

export const bridgeOf = (lab: LabRecord): string => `epl${lab.subnet}`;
/** The machine's end of a host's cable. */
export const cableOf = (lab: LabRecord, host: string): string => `epl${lab.subnet}h${hostNumber(host)}`;
export const aliasOf = (lab: string): string => `${mark}:${lab}`;

/**
 * First of all: what is addressed to the lab's range and finds no bridge goes nowhere. Without it such a packet would
 * leave the machine by its default route.
 */
export async function ensureBlackhole(): Promise<void> {
  const routes = await command('ip', ['-4', 'route', 'show', 'table', 'all', 'root', range]);
  if (routes.includes(`blackhole ${range}`)) return;
  const foreign = routes.split('\n').filter((line) => line.trim() && !/dev epl\d+/.test(line));
  if (foreign.length > 0) {
    throw new LabError(`the range ${range} is already in use on this machine: ${foreign[0]}`, {
      next: 'set ETCD_PLAY_LAB_NET to the first two numbers of a private /16 that is free, for example 10.214',
    });
  }
  const added = await tryCommand('ip', ['route', 'add', 'blackhole', range, 'metric', '4000000']);
  if (added.code !== 0 && !added.stderr.includes('File exists')) {
    throw new LabError(`cannot fence off ${range}: ${added.stderr.trim()}`);
  }
}

export async function ensureBridge(lab: LabRecord): Promise<void> {
  const bridge = bridgeOf(lab);
  const links = await allLinks();
  const present = links.find((l) => l.ifname === bridge);
  if (present?.ifalias && present.ifalias !== aliasOf(lab.name)) {
    throw new LabError(`the link ${bridge} belongs to someone else (${present.ifalias})`);
  }
  const lines = [
    ...(present ? [] : [`link add ${bridge} address ${hardwareAddress(lab, gateway)} type bridge forward_delay 0`]),
    `link set ${bridge} alias ${aliasOf(lab.name)}`,
    `addr replace ${gatewayOf(lab.subnet)}/24 dev ${bridge}`,
  ];
  await ip(lines);
  // The lab speaks IPv4 only; the bridge needs no address of its own kind and sends nothing unasked.
  await writeFile(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, '1').catch(() => {});
  await ip([`link set ${bridge} up`]);
}

/** A fresh network for a host that is about to boot: healed, not slow, nothing left from before. */
export async function plugIn(lab: LabRecord, host: string, address: string): Promise<void> {
  await unplug(lab, host);
  const [namespace, cable] = [machineOf(lab.name, host), cableOf(lab, host)];
  await command('ip', ['netns', 'add', namespace]);
  await ip([
    `link add ${cable} type veth peer name eth0 address ${hardwareAddress(lab, hostNumber(host))} netns ${namespace}`,
    `link set ${cable} alias ${aliasOf(lab.name)}`,
    `link set ${cable} master ${bridgeOf(lab)}`,
  ]);
  await writeFile(`/proc/sys/net/ipv6/conf/${cable}/disable_ipv6`, '1').catch(() => {});
  await Promise.all([
    ip([`link set ${cable} up`]),
    ip(['link set lo up', `addr add ${address}/24 dev eth0`, 'link set eth0 up'], namespace),
  ]);
  await tellWhereItIs(lab, host);
}

/** Takes away a host's cable and its network namespace, whatever of them is there. */
export async function unplug(lab: LabRecord, host: string): Promise<void> {
  await deleteLinks(
    (await ownLinks(lab.name, lab.subnet)).filter((l) => l.replace(/[ab]$/, '') === cableOf(lab, host)),
  );
  await deleteNamespaces([machineOf(lab.name, host)]);
}

export async function setCable(lab: LabRecord, host: string, state: 'up' | 'down'): Promise<void> {
  await ip([`link set ${cableOf(lab, host)} ${state}`]);
  if (state === 'up') await tellWhereItIs(lab, host);
}

/**
 * The machine may be looking for the host since before it was there again, and about to give up: whoever connects just then would
 * be told that there is no route.
 */
async function tellWhereItIs(lab: LabRecord, host: string): Promise<void> {
  const known = (address: string, number: number, device: string) =>
    `neigh replace ${address} dev ${device} lladdr ${hardwareAddress(lab, number)} nud reachable`;
  await Promise.all([
    ip([known(addressIn(lab.subnet, host), hostNumber(host), bridgeOf(lab))]),
    ip([known(gatewayOf(lab.subnet), gateway, 'eth0')], machineOf(lab.name, host)),
  ]);
}

/** Whether the machine's end of the cable is up; undefined when there is none. */
export async function cableState(lab: LabRecord, host: string): Promise<'up' | 'down' | undefined> {
  const link = (await allLinks()).find((l) => l.ifname === cableOf(lab, host));
  return link && (link.flags.includes('UP') ? 'up' : 'down');
}

/**
 * Neither of two hosts hears the other any more, and gets no error either; everyone else still hears both. Each is told
 * a hardware address for the other that nobody has.
 */
export async function setPartition(lab: LabRecord, a: string, b: string, apart: boolean): Promise<void> {
  for (const [here, there] of [
    [a, b],
    [b, a],
  ] as const) {
    const namespace = machineOf(lab.name, here);
    const neighbour = `${addressIn(lab.subnet, there)} dev eth0`;
    if (apart) await ip([`neigh replace ${neighbour} lladdr ${hardwareAddress(lab, nobody)} nud permanent`], namespace);
    else await tryCommand('ip', ['-n', namespace, 'neigh', 'del', ...neighbour.split(' ')]);
  }
}

/** The same at each boot, as a real host's is: neighbours remember it. The bridge has its own, whatever is plugged in. */
function hardwareAddress(lab: LabRecord, number: number): string {
  return `02:65:70:6c:${[lab.subnet, number].map((n) => n.toString(16).padStart(2, '0')).join(':')}`;
}
const nobody = 0;
const gateway = 255;

/** Removes all links and network namespaces of a lab, also those whose record is lost. */
export async function removeNetwork(lab: string, subnet: number | undefined): Promise<void> {
  await deleteLinks(await ownLinks(lab, subnet));
  const { stdout } = await tryCommand('ip', ['netns', 'list']);
  const names = stdout.split('\n').map((line) => line.split(' ')[0]!);
  const ours = new RegExp(`^${mark}-${lab}-h\\d+$`);
  await deleteNamespaces(names.filter((name) => ours.test(name)));
}

async function deleteNamespaces(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const result = await tryCommand('ip', ['netns', 'del', name]);
    // A kill between the creation of its file and its mount leaves a file that is no namespace.
    if (result.code !== 0) await tryCommand('rm', ['-f', `/run/netns/${name}`]);
  }
}

/** Cables first: a cable's two ends go together, and the bridge last. */
async function deleteLinks(names: readonly string[]): Promise<void> {
  const ordered = [...names].sort((a, b) => b.length - a.length);
  for (const name of ordered) await tryCommand('ip', ['link', 'del', name]);
}

/** Links with the lab's alias, and those of its subnet that were made but not yet given one when their maker was killed. */
async function ownLinks(lab: string, subnet: number | undefined): Promise<string[]> {
  const unnamed = new RegExp(`^epl${subnet ?? '-'}(h\\d+[ab]?)?$`);
  const own = (l: Link) => (l.ifalias === undefined ? unnamed.test(l.ifname) : l.ifalias === aliasOf(lab));
  return (await allLinks()).filter(own).map((l) => l.ifname);
}

export async function linkNames(): Promise<string[]> {
  return (await allLinks()).map((l) => l.ifname);
}

async function allLinks(): Promise<Link[]> {
  return JSON.parse(await command('ip', ['-j', 'link', 'show'])) as Link[];
}

/** Several lines of `ip` in one process; the first that fails ends it. */
export async function ip(lines: readonly string[], namespace?: string): Promise<void> {
  const args = [...(namespace ? ['-n', namespace] : []), '-batch', '-'];
  const result = await tryCommand('ip', args, { input: `${lines.join('\n')}\n` });
  if (result.code !== 0) throw new LabError(`ip: ${result.stderr.trim()} (of: ${lines.join('; ')})`);
}
