import { writeFile } from 'node:fs/promises';
import { tryCommand } from './command.ts';
import { aliasOf, bridgeOf, cableOf, ip, linkNames } from './network.ts';
import { type LabRecord, machineOf } from './state.ts';

/**
 * Takes a host's cable out of the bridge and puts a second one there, whose far end lies free beside the first:
 *
 *     host eth0 ══ cable   (relay)   far ══ near ── bridge
 *
 * `connect` must carry the frames over the gap. No frame may be cut up or summed by hardware that is not there, so the two
 * ends that send towards the gap do that themselves.
 */
export async function layLongCable(
  lab: LabRecord,
  host: string,
  connect: (cable: string, far: string) => Promise<void>,
): Promise<void> {
  const cable = cableOf(lab, host);
  const [near, far] = [`${cable}a`, `${cable}b`];
  await ip([
    `link add ${near} type veth peer name ${far}`,
    `link set ${near} alias ${aliasOf(lab.name)}`,
    `link set ${far} alias ${aliasOf(lab.name)}`,
    // The machine itself must not answer for its address on the ends beside the gap, without the delay.
    `link set ${far} arp off`,
    `link set ${cable} arp off`,
  ]);
  for (const end of [near, far]) await writeFile(`/proc/sys/net/ipv6/conf/${end}/disable_ipv6`, '1').catch(() => {});
  await setOffload(lab, host, near, 'off');
  await ip([`link set ${far} up`, `link set ${near} up`, `link set ${cable} nomaster`]);
  await connect(cable, far);
  await ip([`link set ${near} master ${bridgeOf(lab)}`]);
}

/** Undoes that, as far as it went: the host's own cable is in the bridge again. */
export async function removeLongCable(lab: LabRecord, host: string): Promise<void> {
  const cable = cableOf(lab, host);
  const links = await linkNames();
  const near = `${cable}a`;
  if (!links.includes(near)) return;
  await tryCommand('ip', ['link', 'del', near]);
  if (!links.includes(cable)) return;
  await ip([`link set ${cable} arp on`, `link set ${cable} master ${bridgeOf(lab)}`]);
  await setOffload(lab, host, undefined, 'on');
}

async function setOffload(lab: LabRecord, host: string, near: string | undefined, state: 'on' | 'off'): Promise<void> {
  const features = ['tx', 'tso', 'gso'].flatMap((feature) => [feature, state]);
  const namespace = `--net=/run/netns/${machineOf(lab.name, host)}`;
  await Promise.all([
    tryCommand('nsenter', [namespace, 'ethtool', '-K', 'eth0', ...features]),
    near ? tryCommand('ethtool', ['-K', near, ...features]) : undefined,
  ]);
}
