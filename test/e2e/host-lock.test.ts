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

/** Each of two runs holds the one host and wants the other. */
const CROSSING = `
import { existsSync, writeFileSync } from 'node:fs';
import { playbook, play, step } from 'etcd-play';
const { FIRST, SECOND } = process.env;
export default playbook({
  name: 'crossing', description: 'crosses another', hosts: 'etcd',
  plays: () => [
    play('One', { hosts: [FIRST], tasks: [
      step('Is held', async ({ connect }) => {
        await connect();
        writeFileSync('held-' + FIRST, '');
        while (!existsSync('held-' + SECOND)) await new Promise((resolve) => setTimeout(resolve, 20));
      }),
    ] }),
    play('Other', { tasks: [
      step('Is held, too', async ({ host, connect }) => {
        // Who is refused does not go at once: the other asks meanwhile.
        if (host === FIRST) await new Promise((resolve) => setTimeout(resolve, 1000));
        else await connect();
      }),
    ] }),
  ],
});
`;

/** Its session on the host is ended there, and it asks for the host again. */
const LOSING = `
import { playbook, play, step } from 'etcd-play';
export default playbook({
  name: 'losing', description: 'loses its connection', hosts: 'etcd', lock: process.env.LOCK === 'yes',
  plays: () => [play('Losing', { tasks: [
    step('Goes on', async ({ connect }) => {
      const connection = await connect();
      await connection.run('kill -s KILL "$(ps -o ppid= -p $$)" "$$"').catch(() => undefined);
      await (await connect()).run('echo again >/root/again');
    }),
  ] })],
});
`;

beforeAll(async () => {
  lab = await openLab({ name: 'hostlock', hosts: 2, fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'lock-'));
  mkdirSync(join(folder, 'playbooks'));
  writeFileSync(join(folder, 'playbooks', 'slow.ts'), SLOW);
  writeFileSync(
    join(folder, 'playbooks', 'quick.ts'),
    SLOW.replace('sleep 30', 'true').replaceAll("'slow'", "'quick'"),
  );
  // As etcd is restarted: what was stopped is started again, whatever becomes of the connection.
  const lasting = `trap "" HUP; echo begun >/root/begun; sleep 2; echo done >/root/done`;
  writeFileSync(
    join(folder, 'playbooks', 'lasting.ts'),
    SLOW.replace('sleep 30', lasting).replaceAll("'slow'", "'lasting'").replace('echo "$$" >/root/begun', 'true'),
  );
  writeFileSync(join(folder, 'playbooks', 'crossing.ts'), CROSSING);
  writeFileSync(join(folder, 'playbooks', 'losing.ts'), LOSING);
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

const ROOT = ['-l', 'h1'];
const SUDO = [...ROOT, '-e', 'ansible_user=plain', '-e', 'ansible_become=true'];
const quick = (...more: string[]) => runPlay(['quick', '-i', lab.inventoryFile, ...ROOT, ...more], { cwd: folder });

/** Begins the slow playbook, waits until it is at work on the host, and gives the way to kill it and its end. */
async function beginSlow(words = ROOT, playbook = 'slow'): Promise<{ kill(): void; ended: Promise<PlayResult> }> {
  let kill = () => {};
  let begun = () => {};
  const atWork = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const ended = runPlay([playbook, '-i', lab.inventoryFile, ...words], {
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

  it.each([
    ['as root', ROOT],
    ['by sudo', SUDO],
  ])('is taken over from a run that is dead although its host could not know: %s', async (_, words) => {
    const first = await beginSlow(words);
    await lab.cut('h1');
    const lost = await first.ended;
    expect(lost.code, lost.text).toBe(4);
    await lab.heal('h1');
    const next = await quick(...words);
    expect(next.code, next.text).toBe(0);
    expect((await lab.exec('h1', 'pgrep -x sleep || echo none')).stdout.trim()).toBe('none');
  });

  it.each([
    ['as root', ROOT],
    ['by sudo', SUDO],
  ])('lasts until what a dead run has begun has really ended: %s', async (_, words) => {
    await lab.exec('h1', 'rm -f /root/begun /root/done');
    const first = await beginSlow(words, 'lasting');
    await expect.poll(() => lab.exec('h1', 'cat /root/begun').catch(String)).toMatchObject({ stdout: 'begun\n' });
    first.kill();
    await first.ended;
    const next = await quick(...words);
    expect(next.code, next.text).toBe(0);
    expect((await lab.exec('h1', 'cat /root/done')).stdout).toBe('done\n');
  });

  it('comes to one of two runs that begin at the same moment', async () => {
    const both = await Promise.all(
      ['h1 h2', 'h2 h1'].map((order) => {
        const [first, second] = order.split(' ');
        const env = { ...process.env, FIRST: first, SECOND: second };
        return runPlay(['crossing', '-i', lab.inventoryFile], { cwd: folder, env });
      }),
    );
    const codes = both.map(({ code }) => code).sort();
    expect(codes, both.map(({ text }) => text).join('\n')).toEqual([0, 2]);
  });

  it.each([
    ['with', 'yes', 4, ''],
    ['without', 'no', 0, 'again\n'],
  ])('a run %s it that loses its connection, and asks for the host again', async (_, lock, code, wrote) => {
    await lab.exec('h1', 'rm -f /root/again');
    const env = { ...process.env, LOCK: lock };
    const run = await runPlay(['losing', '-i', lab.inventoryFile, ...ROOT], { cwd: folder, env });
    expect(run.code, run.text).toBe(code);
    expect((await lab.exec('h1', 'cat /root/again 2>/dev/null || :')).stdout).toBe(wrote);
  });
});
