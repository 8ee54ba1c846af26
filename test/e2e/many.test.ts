import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { forgetAddresses, MANY_TASKS, manyAddresses, memoryIn, workMsIn } from './many-addresses.ts';
import { type PlayResult, runPlay } from './play.ts';

/** One sshd under so many addresses, as Debian sets it up. */
const HOSTS = 200;
const MEMORY_MB = 400;

let lab: Lab;
let folder: string;

async function run(hosts: number): Promise<PlayResult> {
  const inventory = await manyAddresses(lab, hosts, folder);
  return runPlay(['many', '-i', inventory], { cwd: folder });
}

beforeAll(async () => {
  lab = await openLab({ name: 'cxmany', hosts: 1, fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'many-'));
  mkdirSync(join(folder, 'playbooks'));
  writeFileSync(join(folder, 'playbooks', 'many.ts'), MANY_TASKS);
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
  forgetAddresses();
});

describe('hundreds of hosts', () => {
  it('behind one sshd that drops log-ins at random (MaxStartups) are all done, in little memory', async () => {
    expect((await lab.exec('h1', 'sshd -T | grep -i ^maxstartups')).stdout).toBe('maxstartups 10:30:100\n');
    const few = await run(HOSTS / 4);
    const many = await run(HOSTS);
    for (const [result, hosts] of [
      [few, HOSTS / 4],
      [many, HOSTS],
    ] as const) {
      expect(result.text.match(/^n\d{3} .*ok=2[01] .*unreachable=0 .*failed=0/gm)).toHaveLength(hosts);
      expect(result.code).toBe(0);
      expect(memoryIn(result.text)).toBeLessThan(MEMORY_MB);
    }
    // Four times as many: what grows with the square of their number would take sixteen times as long. By the clock it hangs on
    // what else this machine does.
    expect(workMsIn(many.text)).toBeLessThan(8 * workMsIn(few.text));
  });
});
