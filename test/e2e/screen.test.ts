import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { TerminalWindow, type WindowOptions } from './window.ts';

let lab: Lab;
let folder: string;
const windows: TerminalWindow[] = [];

/** Stands still in its second task until /run/go is there. */
const GATED = `
import { file, play, playbook, step, task } from 'etcd-play';
export default playbook({
  name: 'gated', description: 'waits for a sign', hosts: 'etcd',
  plays: () => [
    play('Prepare', { tasks: [
      task('Note is there', ({ host }) => file({ path: '/root/note', content: 'one\\ntwo of ' + host + '\\n', mode: 0o644 })),
      step('Sign is waited for', async ({ connect }) => {
        await (await connect()).run('until [ -e /run/go ]; do sleep 0.1; done; echo >/run/went');
        return { changed: true };
      }),
      step('Rest is done', async ({ connect }) => void (await (await connect()).run('echo >/run/rest'))),
    ] }),
  ],
});`;

const FAILING = `
import { play, playbook, script, task } from 'etcd-play';
export default playbook({
  name: 'failing', description: 'fails', hosts: 'h2',
  plays: () => [play('Fail', { tasks: [
    task('Disk is formatted', () => script({ name: 'format', text: 'echo begin; echo no such disk as /dev/sdz >&2; exit 7' })),
  ] })],
});`;

const MANY = `
import { play, playbook, step } from 'etcd-play';
export default playbook({
  name: 'many', description: 'on many hosts', hosts: 'all', become: false, lock: false,
  plays: () => [play('Look at all', { gather: true, tasks: [
    step('First look', async ({ connect }) => void (await (await connect()).run('true'))),
    step('Second look', async ({ connect, host }) => {
      const { code } = await (await connect()).run('sleep 0.2; ' + (host === 'node150.example.com' ? 'false' : 'true'));
      if (code !== 0) throw new Error('out of order');
    }),
  ] })],
});`;

const WIPE = `
import { play, playbook, step } from 'etcd-play';
export default playbook({
  name: 'wipe', description: 'asks first', hosts: 'h1',
  async *plays(run) {
    await run.confirm('All data of h1 will be gone, and there is no way back.', 'h1');
    yield play('Wipe', { tasks: [step('Data is wiped', () => ({ changed: true }))] });
  },
});`;

beforeAll(async () => {
  lab = await openLab({ name: 'screen', hosts: 2, fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'screen-'));
  mkdirSync(join(folder, 'playbooks'));
  const playbooks = { gated: GATED, failing: FAILING, many: MANY, wipe: WIPE };
  for (const [name, text] of Object.entries(playbooks)) writeFileSync(join(folder, 'playbooks', `${name}.ts`), text);
  const hosts = Array.from({ length: 200 }, (_, n) => `node${n}.example.com ansible_connection=local`);
  writeFileSync(join(folder, 'many.ini'), `${hosts.join('\n')}\n`);
});
afterEach(async () => void (await Promise.all(windows.splice(0).map((window) => window.close()))));
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

const onAll = (line: string) => Promise.all(['h1', 'h2'].map((host) => lab.exec(host, line)));

/** Begins a run in a window; it is closed after the test. */
async function play(words: readonly string[], options: Partial<WindowOptions> = {}): Promise<TerminalWindow> {
  const env = { XDG_STATE_HOME: join(folder, 'state'), ...options.env };
  const window = await TerminalWindow.play(words, { columns: 80, cwd: folder, ...options, env });
  windows.push(window);
  return window;
}

async function playGated(...more: string[]): Promise<TerminalWindow> {
  await onAll('rm -f /run/go /run/went /run/rest /root/note');
  return play(['gated', '-i', lab.inventoryFile, ...more]);
}

const WAITING = /⠋|⠙|⠹|⠸|⠼|⠴|⠦|⠧|⠇|⠏/;
const withoutTimes = (seen: readonly string[]) =>
  seen.map((line) => line.replace(/ {2}[\d.]+ (ms|s)$/, '').replace(WAITING, '*'));

describe('a run in a window', () => {
  it('shows each host with its task and time, in windows of any width, also when that changes', async () => {
    const window = await playGated();
    const rows = /h1 {2}Sign.* m?s\n.*h2 {2}Sign.* m?s$/;
    await window.until(rows);
    expect(await window.cursorIsSeen()).toBe(false);
    for (const columns of [80, 26, 160, 40]) {
      await window.resize(columns, 24);
      await window.until(columns < 40 ? /Sign[^…]*….* s$/ : /Sign is waited for .* s$/);
      // Each row once, and all as it was above them.
      const seen = withoutTimes(await window.all()).map((line) => line.replace(/Sign.*/, 'Sign'));
      expect(seen, `${columns} columns`).toEqual(['gated on h1, h2', '', 'Prepare', '* h1  Sign', '* h2  Sign']);
    }
    await onAll('touch /run/go');
    expect(await window.status()).toBe(0);
    expect(withoutTimes(await window.all()).map((line) => line.replace(/^[\d.]+ m?s /, 'T '))).toEqual([
      'gated on h1, h2',
      '',
      'Prepare',
      '✔ h1  1 ok, 2 changed',
      '✔ h2  1 ok, 2 changed',
      '',
      'RECAP',
      'h1       : ok=1 changed=2',
      'h2       : ok=1 changed=2',
      'T in all',
      'status 0',
    ]);
    expect(await window.cursorIsSeen()).toBe(true);
  });

  it('shows differences in colour, and without it where NO_COLOR is set', async () => {
    await onAll('touch /run/go; echo one >/root/note');
    const coloured = await play(['gated', '-i', lab.inventoryFile, '-D', '-C', '-l', 'h1']);
    expect(await coloured.status()).toBe(0);
    const text = (await coloured.all({ colours: true })).join('\n');
    expect(text).toContain('\u001b[32m+two of h1');
    expect(text).toContain('h1  1 would change, 2 unknown');
    const plain = await play(['gated', '-i', lab.inventoryFile, '-D', '-C', '-l', 'h1'], { env: { NO_COLOR: '1' } });
    expect(await plain.status()).toBe(0);
    const without = (await plain.all({ colours: true })).join('\n');
    expect(without).toContain('+two of h1');
    expect(without).toContain('would change: [h1] Note is there (/root/note: content)');
    expect(without).toContain('unknown: [h1] Sign is waited for (not done in check mode)');
    expect(without).not.toContain('\u001b[3');
  });

  it('tells a failure with the command, its exit status, its last words and what to do, also in a narrow window', async () => {
    const window = await play(['failing', '-i', lab.inventoryFile], { columns: 40 });
    expect(await window.status()).toBe(2);
    const seen = await window.all();
    expect(seen.every((line) => line.length <= 40)).toBe(true);
    const text = seen.join(' ').replace(/ +/g, ' ');
    expect(text).toMatch(/ERROR h2: \[Disk is formatted\] script format failed with exit status 7/);
    expect(text).toContain('no such disk as /dev/sdz');
    expect(text).toContain('→ Put right what it says, then run again: what is done already is not done twice.');
  });
});

describe('200 hosts in a window of 24 lines', () => {
  it('are a row for each task, with those that failed; each has its line in the recap', async () => {
    const window = await play(['many', '-i', 'many.ini'], { columns: 80 });
    expect(await window.status(60_000)).toBe(2);
    const all = await window.all();
    const rows = all.filter((line) => / look {2}/.test(line));
    expect(withoutTimes(rows)).toEqual([
      '✔ First look  200 ok',
      '✖ Second look  199 ok, 1 failed: node150.example.com',
    ]);
    expect(all[0]).toBe('many on 200 hosts');
    expect(all.filter((line) => /^node\d+\.example\.com +: ok=/.test(line))).toHaveLength(200);
    expect(all.join('\n')).toContain('ERROR node150.example.com: [Second look]');
    expect(all.every((line) => line.length <= 80)).toBe(true);
  });
});

describe('Ctrl-C', () => {
  it('pressed once, lets what is under way be finished, begins nothing more and says how to go on', async () => {
    const window = await playGated();
    await window.until(/h1 {2}Sign.*\n.*h2 {2}Sign/);
    await window.press('C-c');
    await window.until(/Stopping: what is under way is finished first/);
    expect((await window.seen()).join('\n')).toMatch(/h1 {2}Sign is waited for/);
    await onAll('touch /run/go');
    expect(await window.status()).toBe(130);
    const text = (await window.all()).join('\n');
    expect(text).toMatch(/h1 +: ok=0 +changed=2/);
    expect(text).toContain('Interrupted. Run the same command again to go on.');
    expect((await onAll('ls /run/went /run/rest 2>&1')).map(({ stdout }) => /rest'?:/.test(stdout))).toEqual([
      true,
      true,
    ]);
    expect(await window.cursorIsSeen()).toBe(true);
  });

  it('pressed twice, ends it at once, tells what was under way, and leaves nothing running on the hosts', async () => {
    const window = await playGated();
    await window.until(/h1 {2}Sign.*\n.*h2 {2}Sign/);
    await window.press('C-c');
    await window.until(/Stopping/);
    await window.press('C-c');
    expect(await window.status()).toBe(130);
    const text = (await window.all()).join(' ').replace(/\s+/g, ' ');
    expect(text).toContain(
      'stopped at once; under way, and perhaps half done: h1 (Sign is waited for), h2 (Sign is waited for)',
    );
    expect(text).toContain('RECAP h1 : ok=0 changed=1');
    expect(await window.cursorIsSeen()).toBe(true);
    await expect.poll(async () => (await lab.exec('h1', 'pgrep -fc "until .*run/go"')).stdout.trim()).toBe('0');
  });
});

describe('questions', () => {
  it('before each task with --step: no, yes, and all the rest', async () => {
    const window = await playGated('--step', '-l', 'h1');
    await lab.exec('h1', 'touch /run/go');
    await window.until(/Perform task: Note is there \(N\)o\/\(y\)es\/\(c\)ontinue:$/m);
    await window.press('Enter');
    await window.until(/Perform task: Sign is waited for .*ontinue:/);
    await window.type('y');
    await window.press('Enter');
    await window.until(/Perform task: Rest is done .*ontinue:/);
    await window.type('c');
    await window.press('Enter');
    expect(await window.status()).toBe(0);
    expect((await window.all()).join('\n')).toMatch(/^h1 +: ok=1 +changed=1 /m);
    expect((await lab.exec('h1', 'ls /root/note')).code).not.toBe(0);
  });

  it('for a word before what cannot be undone; --yes stands for it', async () => {
    const window = await play(['wipe', '-i', lab.inventoryFile]);
    await window.until(/no way back\.\nType h1 to go on: ?$/m);
    await window.type('yes');
    await window.press('Enter');
    expect(await window.status()).toBe(2);
    expect((await window.all()).join('\n')).toContain('not confirmed: h1 was not typed');
    const again = await play(['wipe', '-i', lab.inventoryFile]);
    await again.until(/Type h1 to go on:/);
    await again.type('h1');
    await again.press('Enter');
    expect(await again.status()).toBe(0);
    expect(await (await play(['wipe', '-i', lab.inventoryFile, '--yes'])).status()).toBe(0);
  });
});
