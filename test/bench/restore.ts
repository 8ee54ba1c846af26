import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PLAY } from '../e2e/play.ts';
import { etcdVars } from '../lab/etcd-vars.ts';
import { openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { fill, timed } from './measure.ts';

/**
 * A restore of 1 GiB on three hosts that run:
 *
 *     npx jiti test/bench/restore.ts [--mib 1024]
 *
 * Prints seconds from start to end, those in which no etcd served, and the most memory that the process of play held.
 */
const VERSION = '3.5.16';
const LAB = 'restore';
const at = process.argv.indexOf('--mib');
const mib = at < 0 ? 1024 : Number(process.argv[at + 1]);

await ensureRelease(VERSION);
const vars = { ...etcdVars(LAB, VERSION), ETCD_QUOTA_BACKEND_BYTES: '4GiB' };
const lab = await openLab({ name: LAB, hosts: 3, fresh: true, vars });
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'bench-'));
const inventory = ['-i', lab.inventoryFile, '--output', 'lines', '-v', '-e', `LOCAL_ETCD_BACKUP_DIR=${folder}`];
try {
  await timed(process.execPath, [PLAY, 'create_etcd', ...inventory]);
  await fill(lab, mib);
  await timed(process.execPath, [PLAY, 'backup_etcd', ...inventory]);
  const run = await timed(process.execPath, [PLAY, 'restore_etcd', '--yes', '-e', 'safety=false', ...inventory]);
  const swap = /^Swap\n((?: {2}.*\n)+)/m.exec(run.text)?.[1] ?? '';
  console.log(swap);
  console.log(`whole ${run.seconds.toFixed(1)} s, memory of play ${run.mostMib.toFixed(0)} MiB`);
} finally {
  rmSync(folder, { recursive: true, force: true });
  await lab.down();
}
