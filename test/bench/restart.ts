import { PLAY } from '../e2e/play.ts';
import { startTraffic } from '../e2e/traffic.ts';
import { etcdVars } from '../lab/etcd-vars.ts';
import { openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { timed } from './measure.ts';

/**
 * How long a client waits while all three members are restarted, by `reload_etcd` and by hand, in turns:
 *
 *     npx jiti test/bench/restart.ts [--rounds 3]
 *
 * By hand: `systemctl restart etcd` on one host after the other, the leader where it comes; and on all at once, as a
 * handler of a role does it. Prints the longest time between two writes, in milliseconds.
 */
const VERSION = '3.5.16';
const at = process.argv.indexOf('--rounds');
const rounds = at < 0 ? 3 : Number(process.argv[at + 1]);
const hosts = ['h1', 'h2', 'h3'];

await ensureRelease(VERSION);
const lab = await openLab({ name: 'restart', hosts: 3, fresh: true, vars: etcdVars('restart', VERSION) });
const play = (...words: string[]) => timed(process.execPath, [PLAY, ...words, '-i', lab.inventoryFile, '--yes']);
const restart = (host: string) => lab.exec(host, 'systemctl restart etcd.service');
const ways: Record<string, () => Promise<unknown>> = {
  'reload_etcd -e force=true': () => play('reload_etcd', '-e', 'force=true'),
  'systemctl restart, one after the other': async () => {
    for (const host of hosts) await restart(host);
  },
  'systemctl restart, all at once': () => Promise.all(hosts.map(restart)),
};
const gaps = new Map<string, number[]>();
try {
  await play('create_etcd');
  const endpoints = hosts.map((host) => `https://${lab.addressOf(host)}:2379`);
  for (let round = 0; round < rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const traffic = await startTraffic({ endpoints, pki: lab.pkiDir, prefix: `${name}/${round}/` });
      await way();
      const { longestGapMs, lost, missed } = await traffic.end();
      if (lost.length + missed.length > 0) throw new Error(`${name}: ${lost.length} lost, ${missed.length} missed`);
      gaps.set(name, [...(gaps.get(name) ?? []), Math.round(longestGapMs)]);
    }
  }
  for (const [name, all] of gaps) console.log(`${name.padEnd(40)} ${all.join(', ')} ms between two writes at most`);
} finally {
  await lab.down();
}
