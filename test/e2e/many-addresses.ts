import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.ts';

/** RFC 2544: kept free for measurements of networks. */
const RANGE = '198.18.0.0/15';
const BLACKHOLE_METRIC = '999999';

/**
 * Has h1 of a lab answer under many addresses, all on its loopback device, and writes an inventory with a host for each.
 * The way to them goes over the lab's bridge and ends with it.
 */
export async function manyAddresses(lab: Lab, count: number, folder: string): Promise<string> {
  ip('route', 'replace', 'blackhole', RANGE, 'metric', BLACKHOLE_METRIC);
  ip('route', 'replace', RANGE, 'via', lab.addressOf('h1'));
  await lab.exec('h1', `ip route replace local ${RANGE} dev lo`);
  const [, type, key] = readFileSync(lab.knownHostsFile, 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`${lab.addressOf('h1')},`))!
    .split(' ');
  mkdirSync(folder, { recursive: true });
  const known = join(folder, 'known_hosts');
  writeFileSync(known, `198.18.*,!198.18.255.* ${type} ${key}\n`);
  const hosts = Array.from(
    { length: count },
    (_, n) => `n${String(n + 1).padStart(3, '0')} ansible_host=198.18.${(n >> 8) + 1}.${n & 255}`,
  );
  const inventory = join(folder, `${count}.ini`);
  const words = `-F none -o UserKnownHostsFile=${known}`;
  const vars = ['ansible_user=root', `ansible_ssh_private_key_file=${lab.keyFile}`, `ansible_ssh_common_args=${words}`];
  writeFileSync(inventory, ['[etcd]', ...hosts, '', '[etcd:vars]', ...vars, ''].join('\n'));
  return inventory;
}

/** To be called once the lab is down: the way over its bridge is gone with that. */
export function forgetAddresses(): void {
  ip('route', 'replace', 'blackhole', RANGE, 'metric', BLACKHOLE_METRIC);
  ip('route', 'del', 'blackhole', RANGE, 'metric', BLACKHOLE_METRIC);
}

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: 'pipe' });
}

/** Twenty small tasks on each host; at the end the most memory that play has had, in MB, and how long it kept a processor busy. */
export const MANY_TASKS = `
import { once, play, playbook, step } from 'etcd-play';
const small = Array.from({ length: 20 }, (_, n) =>
  step('Task ' + (n + 1), async ({ connect }) => void (await (await connect()).run('true')), { check: 'run' }));
const memory = once('Memory', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  return { summary: Math.round(maxRSS / 1000) + ' MB, ' + Math.round((userCPUTime + systemCPUTime) / 1000) + ' ms of work' };
});
export default playbook({
  name: 'many', description: 'twenty small tasks', hosts: 'etcd',
  plays: () => [play('Twenty', { tasks: small }), play('Memory', { tasks: [memory] })],
});
`;

export function memoryIn(text: string): number {
  return Number(/Memory[^\n]*?(\d+) MB/.exec(text)?.[1]);
}

export function workMsIn(text: string): number {
  return Number(/Memory[^\n]*?(\d+) ms of work/.exec(text)?.[1]);
}
