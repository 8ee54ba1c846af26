import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { runOnTerminal } from './on-terminal.ts';
import { type PlayResult, runPlay } from './play.ts';

const SIZE_BYTES = 48_000_003;
const PLAYBOOKS = `
import { copy, fetch, playbook, play, task } from 'etcd-play';
const made = (name, tasks) => playbook({ name, description: name, hosts: 'etcd', plays: () => [play(name, { tasks })] });
export const push = made('push', [
  task('Moved', () => copy({ source: process.env.BIG, path: '/srv/big', mode: 0o640, owner: 'plain' }))]);
export const pull = made('pull', [fetch('Moved', () => ({ path: '/srv/big', dest: process.env.HERE }))]);
`;

let lab: Lab;
let folder: string;
let sum: string;
const at = (name: string) => join(folder, name);
const sumOf = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const environment = () => ({ BIG: at('big'), HERE: at('here') });

/** Runs it, and does something when a part is over but not all. */
async function runUntilMidway(playbook: string, midway: (kill: () => void) => void): Promise<PlayResult> {
  let isStruck = false;
  return runPlay([playbook, '-i', lab.inventoryFile, '--output', 'json'], {
    cwd: folder,
    env: environment(),
    onLine: (line, child) => {
      const { type, done, total } = JSON.parse(line) as { type: string; done: number; total: number };
      if (isStruck || type !== 'progress' || done < 0.2 * total || done > 0.8 * total) return;
      isStruck = true;
      midway(() => child.kill('SIGKILL'));
    },
  });
}

const again = (playbook: string) => runPlay([playbook, '-i', lab.inventoryFile], { cwd: folder, env: environment() });

/** The session that carries the file: the youngest sshd that has a shell. */
const endSession = () =>
  lab.exec(
    'h1',
    'kill -9 $(for p in $(pgrep -x sshd); do pgrep -P "$p" -x sh >/dev/null && echo "$p"; done | grep -vx "$PPID")',
  );

/** Ways to be cut, and the exit code that tells of it. */
const CUTS: readonly [name: string, code: number | null, cut: (kill: () => void) => unknown][] = [
  ['play itself is killed', null, (kill) => kill()],
  ['its sshd there is killed', 4, () => endSession()],
  ['the network is cut', 4, () => lab.cut('h1')],
];

beforeAll(async () => {
  lab = await openLab({ name: 'cxfer', hosts: 1, fresh: true });
  // A line on which so much takes a moment.
  await lab.slow('h1', 10);
  await lab.narrow('h1', 100);
  folder = mkdtempSync(join(tmpdir(), 'transfers-'));
  mkdirSync(at('playbooks'));
  for (const name of ['push', 'pull'])
    writeFileSync(at(`playbooks/${name}.ts`), `${PLAYBOOKS}export default ${name};\n`);
  writeFileSync(at('big'), randomBytes(SIZE_BYTES));
  sum = sumOf(at('big'));
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

describe('a big file on its way to a host', () => {
  it.each(CUTS)('goes on where it was cut when %s', async (_, code, cut) => {
    await lab.exec('h1', 'rm -rf /srv/big /srv/.big*');
    const broken = await runUntilMidway('push', cut);
    await lab.heal('h1');
    expect(broken.code).toBe(code);
    // Nobody sees a part of it, under whatever name.
    await expect
      .poll(async () => (await lab.exec('h1', 'find /srv -type f -printf "%f %m %u\\n"')).stdout)
      .toBe('.big.etcd-play-part 600 root\n');
    const whole = await again('push');
    expect(whole.text).toMatch(/changed: \[h1\] Moved \(.*48 MB, \d+ [kM]B of it there already/);
    expect(whole.code).toBe(0);
    const { stdout } = await lab.exec('h1', 'sha256sum </srv/big; find /srv -type f -printf "%f %m %u\\n"');
    expect(stdout).toBe(`${sum}  -\nbig 640 plain\n`);
    expect((await again('push')).text).toContain('ok: [h1] Moved');
  });

  it('shows how far it is', async () => {
    await lab.exec('h1', 'rm -rf /srv/big');
    const shown = await runOnTerminal(['push', '-i', lab.inventoryFile], [], {
      cwd: folder,
      env: { ...environment(), TERM: 'xterm-256color' },
    });
    expect(shown.code).toBe(0);
    expect(shown.text).toMatch(/Moved.*█+░+ \d\d %/);
  });
});

describe('a big file on its way from a host', () => {
  beforeAll(async () => {
    expect((await again('push')).code).toBe(0);
  });

  it.each(CUTS)('goes on where it was cut when %s', async (_, code, cut) => {
    rmSync(at('here'), { force: true });
    const broken = await runUntilMidway('pull', cut);
    await lab.heal('h1');
    expect(broken.code).toBe(code);
    expect(existsSync(at('here'))).toBe(false);
    const whole = await again('pull');
    expect(whole.text).toMatch(/changed: \[h1\] Moved \(.*48000003 bytes, \d+ of them here already/);
    expect(whole.code).toBe(0);
    expect(sumOf(at('here'))).toBe(sum);
    expect((await again('pull')).text).toContain('ok: [h1] Moved');
  });

  it('shows how far it is', async () => {
    rmSync(at('here'), { force: true });
    const shown = await runOnTerminal(['pull', '-i', lab.inventoryFile], [], {
      cwd: folder,
      env: { ...environment(), TERM: 'xterm-256color' },
    });
    expect(shown.code).toBe(0);
    expect(shown.text).toMatch(/Moved.*█+░+ \d\d %/);
  });
});
