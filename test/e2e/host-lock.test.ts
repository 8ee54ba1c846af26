import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { type PlayResult, runPlay } from './play.ts';

let lab: Lab;
let folder: string;

const SLOW = `
import { playbook, play, step } from 'etcd-play';
export default playbook({
  name: 'slow', description: 'takes its time', hosts: 'etcd',
  plays: () => [play('Slow', { tasks: [
    step('Begins', async ({ connect }) => void (await (await connect()).run('echo "$$" >/root/begun'))),
    step('Takes long', async ({ connect }) => void (await (await connect()).run('sleep 30'))),
  ] })],
});
`;

beforeAll(async () => {
  lab = await openLab({ name: 'hostlock', hosts: 1, fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  mkdirSync(join(folder, 'playbooks'));
  writeFileSync(join(folder, 'playbooks', 'slow.ts'), SLOW);
  writeFileSync(
    join(folder, 'playbooks', 'quick.ts'),
    SLOW.replace('sleep 30', 'true').replaceAll("'slow'", "'quick'"),
  );
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

const quick = (...more: string[]) => runPlay(['quick', '-i', lab.inventoryFile, ...more], { cwd: folder });

/** Begins the slow playbook, waits until it is at work on the host, and gives the way to kill it and its end. */
async function beginSlow(): Promise<{ kill(): void; ended: Promise<PlayResult> }> {
  let kill = () => {};
  let begun = () => {};
  const atWork = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const ended = runPlay(['slow', '-i', lab.inventoryFile], {
    cwd: folder,
    onLine: (line, child) => {
      kill = () => void child.kill('SIGKILL');
      if (line.includes('Begins')) begun();
    },
  });
  await Promise.race([atWork, ended]);
  return { kill: () => kill(), ended };
}

describe('the lock on a host', () => {
  it('keeps a second run from it, and says who holds it', async () => {
    const first = await beginSlow();
    const second = await quick();
    expect(second.code, second.text).toBe(2);
    expect(second.text).toMatch(
      /h1: \[Begins\] another run is at work on this host: slow by \w+ on .* \(process \d+\), since /,
    );
    expect((await quick('-C')).code).toBe(0);
    first.kill();
    await first.ended;
  });

  it('goes with the run that held it, also when that was killed', async () => {
    const first = await beginSlow();
    first.kill();
    await first.ended;
    const next = await quick();
    expect(next.code, next.text).toBe(0);
  });

  it('is taken over from a run that is dead although its host could not know', async () => {
    const first = await beginSlow();
    await lab.cut('h1');
    const lost = await first.ended;
    expect(lost.code, lost.text).toBe(4);
    await lab.heal('h1');
    const next = await quick();
    expect(next.code, next.text).toBe(0);
    expect((await lab.exec('h1', 'pgrep -c sleep')).stdout.trim()).toBe('0');
  });
});
