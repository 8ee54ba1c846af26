import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { localTools } from '../../src/etcd/backup/tools.ts';
import { PLAY } from '../e2e/play.ts';
import { etcdVars } from '../lab/etcd-vars.ts';
import { openLab } from '../lab/lab.ts';
import { releasesDir } from '../lab/places.ts';
import { ensureRelease } from '../lab/releases.ts';
import { fill, timed } from './measure.ts';

/**
 * A backup of 1 GiB, side by side with etcdctl on this machine over TLS, which proves nothing:
 *
 *     npx jiti test/bench/backup.ts [--mib 1024] [--rounds 3]
 *
 * They take turns. Prints seconds from start to end, and for play also those of the snapshot alone and the most memory that
 * its process held; etcd's own programs, which the trial restore starts, are not counted in it.
 */
const VERSION = '3.5.16';
const LAB = 'backup';
const number = (name: string, otherwise: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const [mib, rounds] = [number('mib', 1024), number('rounds', 3)];

await ensureRelease(VERSION);
const vars = { ...etcdVars(LAB, VERSION), ETCD_QUOTA_BACKEND_BYTES: '4GiB' };
const lab = await openLab({ name: LAB, hosts: 1, fresh: true, vars });
const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'bench-'));
const inventory = ['-i', lab.inventoryFile, '-e', `LOCAL_ETCD_BACKUP_DIR=${folder}`];
try {
  await timed(process.execPath, [PLAY, 'create_etcd', '-i', lab.inventoryFile]);
  await fill(lab, mib);
  const { signal } = new AbortController();
  const { etcd } = await localTools({
    version: VERSION,
    releaseDir: releasesDir,
    releaseUrl: 'http://127.0.0.1:1',
    signal,
  });
  const etcdctl = join(dirname(etcd), 'etcdctl');
  const pki = (name: string) => join(lab.pkiDir, `${name}.pem`);
  const tls = [`--cacert=${pki('ca')}`, `--cert=${pki('client')}`, `--key=${pki('client-key')}`];
  const save = [`--endpoints=https://${lab.addressOf('h1')}:2379`, ...tls, 'snapshot', 'save'];
  const all = new Map<string, number[]>();
  const note = (what: string, value: number) => void all.set(what, [...(all.get(what) ?? []), value]);
  for (let round = 0; round < rounds; round++) {
    const witness = await timed(etcdctl, [...save, join(folder, 'witness.db')]);
    note('etcdctl snapshot save, s', witness.seconds);
    note('etcdctl snapshot save, its CPU, s', witness.cpuSeconds);
    rmSync(join(folder, 'witness.db'));
    for (const verify of ['none', 'trial']) {
      mkdirSync(folder, { recursive: true });
      const run = await timed(process.execPath, [PLAY, 'backup_etcd', ...inventory, '-e', `verify=${verify}`]);
      note(`play, verify=${verify}, s`, run.seconds);
      note(`play, verify=${verify}, its snapshot alone, s`, Number(/ in ([\d.]+) s, \d+ MiB\/s/.exec(run.text)?.[1]));
      note(`play, verify=${verify}, CPU of play, s`, run.cpuSeconds);
      note(`play, verify=${verify}, memory of play, MiB`, run.mostMib);
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
    }
  }
  for (const [what, values] of all) {
    const median = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
    console.log(`${what.padEnd(44)} median ${median.toFixed(1)}  of ${values.map((one) => one.toFixed(1)).join(' ')}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  await lab.down();
}
