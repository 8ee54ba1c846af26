import { execFile, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type EtcdTools, localTools } from '../../../../src/etcd/backup/tools.ts';
import { releasesDir } from '../../../lab/places.ts';
import { ensureRelease } from '../../../lab/releases.ts';

const run = promisify(execFile);

export async function toolsOf(version: string): Promise<EtcdTools> {
  await ensureRelease(version);
  const { signal } = new AbortController();
  return localTools({ version, releaseDir: releasesDir, releaseUrl: 'http://127.0.0.1:1', signal });
}

/** A snapshot as a member of real etcd gives it, saved by etcdctl. It listens on sockets in the folder, on no port. */
export async function realSnapshot(
  version: string,
  folder: string,
  lines: readonly string[],
  afterwards: readonly string[] = [],
): Promise<{ snapshot: string; database: string }> {
  const { etcd } = await toolsOf(version);
  mkdirSync(folder, { recursive: true });
  const peer = 'http://localhost:2380';
  const flags = {
    name: 'one',
    'data-dir': 'data',
    'listen-client-urls': 'unix://client:1',
    'advertise-client-urls': 'http://localhost:2379',
    'listen-peer-urls': 'unix://peer:1',
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `one=${peer}`,
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(etcd, args, { cwd: folder, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const env = { ...process.env, ETCDCTL_API: '3' };
  const etcdctl = (...words: string[]) =>
    run(etcd.replace(/etcd$/, 'etcdctl'), ['--endpoints=unix://client:1', ...words], { cwd: folder, env });
  try {
    for (let i = 0; ; i++) {
      const answer = await etcdctl('endpoint', 'health').catch((error: unknown) => error);
      if (!(answer instanceof Error)) break;
      if (i > 100) throw answer;
      await sleep(100);
    }
    for (const line of lines) await etcdctl(...line.split(' '));
    // The version of a cluster is agreed on some seconds after its first election.
    for (let i = 0; i < 100; i++) {
      await etcdctl('snapshot', 'save', 'snapshot.db');
      const { stdout } = await run('grep', ['-c', 'clusterVersion', 'snapshot.db'], { cwd: folder }).catch(() => ({
        stdout: '0',
      }));
      if (Number(stdout) > 0) break;
      await sleep(100);
    }
    for (const line of afterwards) await etcdctl(...line.split(' '));
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
  return { snapshot: join(folder, 'snapshot.db'), database: join(folder, 'data', 'member', 'snap', 'db') };
}
