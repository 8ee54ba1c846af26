import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { Cluster } from './cluster.ts';
import type { PlayResult } from './play.ts';

const run = promisify(execFile);

/** How a host goes: its cable is out for a while; power loss; the same, and its etcd is started again before anyone comes. */
export type Loss = 'cut' | 'power' | 'boot';

/** A dead link is noticed sooner than by default. */
const SOON = ['-e', "ansible_ssh_extra_args='-o ServerAliveInterval=1'"];

/** Loses a host as soon as `play` has printed that line. It is back when this returns. */
export async function lostAt(
  cluster: Cluster,
  { line, loss, host }: { line: RegExp; loss: Loss; host: string },
  words: readonly string[],
  hosts: readonly string[],
): Promise<PlayResult> {
  const { lab } = cluster;
  let isGone = false;
  const lose = async () => {
    await (loss === 'power' ? lab.kill(host, { silent: true }) : lab.cut(host));
    isGone = true;
  };
  const result = await cluster.playDisturbed(line, lose, [...words, ...SOON], hosts);
  expect(isGone, `${line}: ${result.text}`).toBe(true);
  // An etcd that was started again waits for its peers, which may have other data by then.
  if (loss === 'power') await lab.start(host, { apartFrom: 'etcd.service' });
  else await lab.heal(host);
  if (loss === 'boot') await lab.exec(host, 'systemctl kill -s KILL etcd; systemctl start --no-block etcd');
  console.info(`${line}, ${host}, ${loss}: exit ${result.code} after ${Math.round(result.durationMs / 1000)} s`);
  expect([2, 4], result.text).toContain(result.code);
  expect(result.text).not.toMatch(/unexpected|fault of the playbook/);
  return result;
}

/** Does something with a folder on a small disk, which the kernel says is full when it holds so many files. */
export async function onSmallDisk(
  folder: string,
  inodes: number,
  act: (setInodes: (inodes: number) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  mkdirSync(folder);
  await run('mount', ['-t', 'tmpfs', '-o', `size=400m,nr_inodes=${inodes}`, 'lab-small-disk', folder]);
  try {
    await act((more) => run('mount', ['-o', `remount,nr_inodes=${more}`, folder]));
  } finally {
    await run('umount', ['-l', folder]);
  }
}
