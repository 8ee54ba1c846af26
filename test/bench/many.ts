import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { forgetAddresses, MANY_TASKS, manyAddresses, memoryIn } from '../e2e/many-addresses.ts';
import { runPlay } from '../e2e/play.ts';
import { openLab } from '../lab/lab.ts';

/**
 * Twenty small tasks on hundreds of hosts, which are one sshd under so many addresses, as Debian sets it up and with a
 * MaxStartups that drops nobody:
 *
 *     npx jiti test/bench/many.ts [--hosts 100,250,500]
 *
 * Prints seconds, the most memory that play has had, and the load of the machine. Not to be run together with
 * test/e2e/many.test.ts: both use the same addresses.
 */
const at = process.argv.indexOf('--hosts');
const sizes = (at < 0 ? '100,250,500' : process.argv[at + 1]!).split(',').map(Number);

const folder = mkdtempSync(join(tmpdir(), 'bench-'));
const lab = await openLab({ name: 'manybench', hosts: 1, fresh: true });
try {
  mkdirSync(join(folder, 'playbooks'));
  writeFileSync(join(folder, 'playbooks', 'many.ts'), MANY_TASKS);
  for (const startups of ['10:30:100', '1000']) {
    const set = `echo MaxStartups ${startups} >/etc/ssh/sshd_config.d/00-startups.conf; systemctl restart ssh`;
    if ((await lab.exec('h1', set)).code !== 0) throw new Error('sshd did not start again');
    for (const hosts of sizes) {
      const inventory = await manyAddresses(lab, hosts, folder);
      const { code, text, durationMs } = await runPlay(['many', '-i', inventory], { cwd: folder });
      const done = text.match(/^n\d{3} .*ok=2[01] .*unreachable=0 .*failed=0/gm)?.length ?? 0;
      const seconds = `${(durationMs / 1000).toFixed(1)} s`;
      const load = `load ${loadavg()[0]!.toFixed(1)}`;
      console.log(
        `MaxStartups ${startups}: ${done} of ${hosts} hosts done, exit ${code}, ${seconds}, ${memoryIn(text)} MB (${load})`,
      );
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  await lab.down();
  forgetAddresses();
}
