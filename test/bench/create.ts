import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PLAY } from '../e2e/play.ts';
import { etcdVars } from '../lab/etcd-vars.ts';
import { openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';

/**
 * Creating a cluster of three, cold and again, side by side with Ansible and Mitogen doing the same tasks:
 *
 *     npx jiti test/bench/create.ts --peers FOLDER [--rounds 5]
 *
 * FOLDER holds `ansible/etcd.yml` with its role, and `ansible.NAME.cfg` for each way to run it. All take turns on fresh
 * hosts, so that a slow moment of the machine hits all of them. Prints seconds: each run, then the medians.
 */
const VERSION = '3.5.16';
const option = (name: string) => process.argv[process.argv.indexOf(`--${name}`) + 1];
const peers = process.argv.includes('--peers') ? join(option('peers')!, 'ansible') : undefined;
const rounds = process.argv.includes('--rounds') ? Number(option('rounds')) : 5;

const { archive } = await ensureRelease(VERSION);
const seconds = new Map<string, number[]>();
const names = ['play', ...(peers ? ['stock', 'tuned', 'mitogen'].filter((one) => existsSync(cfg(one))) : [])];

for (let round = 1; round <= rounds; round++) {
  for (const name of names) {
    const lab = await openLab({ name: 'bench', hosts: 3, fresh: true, vars: etcdVars('bench', VERSION) });
    const work = mkdtempSync(join(tmpdir(), 'bench-'));
    try {
      const run = name === 'play' ? playRun(lab.inventoryFile) : ansibleRun(name, work, lab.inventoryFile, lab.keyFile);
      note(`${name} cold`, run());
      for (let again = 0; again < 3; again++) note(`${name} again`, run());
    } finally {
      rmSync(work, { recursive: true, force: true });
      await lab.down();
    }
  }
}
for (const [what, all] of seconds) {
  const sorted = all.toSorted((a, b) => a - b);
  console.log(
    `${what.padEnd(16)} median ${sorted[Math.floor(sorted.length / 2)]!.toFixed(2)} s  of ${sorted.map((s) => s.toFixed(2)).join(' ')}`,
  );
}

function cfg(name: string): string {
  return join(peers!, `ansible.${name}.cfg`);
}

function playRun(inventory: string): () => number {
  return () => timed(process.execPath, [PLAY, 'create_etcd', '-i', inventory], {});
}

function ansibleRun(name: string, work: string, inventory: string, key: string): () => number {
  cpSync(peers!, work, { recursive: true });
  execFileSync('mkdir', ['-p', join(work, 'files')]);
  cpSync(archive, join(work, 'files', `etcd-v${VERSION}-linux-amd64.tar.gz`));
  const env: NodeJS.ProcessEnv = { ANSIBLE_CONFIG: join(work, `ansible.${name}.cfg`) };
  return () => timed('ansible-playbook', ['-i', inventory, '--private-key', key, join(work, 'etcd.yml')], env);
}

function timed(command: string, args: string[], env: NodeJS.ProcessEnv): number {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ended with ${status}:\n${stdout}${stderr}`);
  return (performance.now() - started) / 1000;
}

function note(what: string, took: number): void {
  seconds.set(what, [...(seconds.get(what) ?? []), took]);
  console.error(`${what} ${took.toFixed(2)} s`);
}
