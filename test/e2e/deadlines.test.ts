import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Connection } from '../../src/connection/connection.ts';
import { AuthenticationError } from '../../src/connection/errors.ts';
import { openConnection } from '../../src/connection/open.ts';
import { PrivateKeys } from '../../src/connection/private-keys.ts';
import { Routes } from '../../src/connection/routes.ts';
import { connectionSettings } from '../../src/connection/settings.ts';
import { UnreachableError } from '../../src/errors.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { runPlay } from './play.ts';
import { OwnClock } from './standstill.ts';

/** No silence is waited out for longer than this. */
const SILENCE_MS = 15_000;

const clock = new OwnClock();
let lab: Lab;
let folder: string;
const open: { close(): void }[] = [];

const WORK = `
import { play, playbook, step } from 'etcd-play';
export default playbook({
  name: 'work', description: 'work that takes a while', hosts: 'etcd',
  plays: () => [play('Work', { gather: true, tasks: [
    step('Connected', async ({ connect }) => void (await (await connect()).run('true'))),
    step('Worked', async ({ connect }) => void (await (await connect()).run('touch /run/at-work; until [ -e /run/go ]; do sleep 0.2; done'))),
  ] })],
});
`;

/** Does something to a host when it is in the middle of its work. */
const TROUBLES: readonly [host: string, trouble: () => Promise<unknown>, words: RegExp][] = [
  ['h2', () => lab.freeze('h2'), /the host stopped answering/],
  ['h3', () => lab.cut('h3'), /the host stopped answering|EHOSTUNREACH|ETIMEDOUT/],
  ['h4', () => toSession('STOP'), /the host stopped answering/],
  ['h5', () => lab.kill('h5', { silent: true }), /the host stopped answering|EHOSTUNREACH|ETIMEDOUT/],
  ['h6', () => lab.kill('h6'), /connection lost/],
];

/** A signal to the sshd that holds the shell of h4 with the work in it. */
async function toSession(signal: string): Promise<void> {
  const find = 'for p in $(pgrep -x sshd); do pgrep -P "$p" -x sh >/dev/null && [ "$p" != "$PPID" ] && echo "$p"; done';
  const { stdout } = await lab.exec('h4', `${find} | xargs kill -s ${signal}`);
  expect(stdout).toBe('');
}

async function connect(
  host: string,
  { vars = {}, routes }: { vars?: Record<string, string>; routes?: Routes } = {},
): Promise<Connection> {
  const all = {
    ansible_host: lab.addressOf(host),
    ansible_user: 'root',
    ansible_ssh_private_key_file: lab.keyFile,
    ansible_ssh_common_args: `-F none -o UserKnownHostsFile=${lab.knownHostsFile}`,
    ...vars,
  };
  const given = Object.entries(all).map(
    ([name, value]) => [name, { value, origin: { file: 'test', line: 1 } }] as const,
  );
  const connection = await openConnection(connectionSettings(host, new Map(given), { become: true }), routes);
  open.push(connection);
  return connection;
}

/** The error with which it ends, and after how long. */
async function failure(work: Promise<unknown>): Promise<{ error: UnreachableError; afterMs: number }> {
  const started = clock.now();
  const error = await work.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  return { error: error as UnreachableError, afterMs: clock.now() - started };
}

/** Until sshd there turns this machine away: it does so from when the process of the refused log-in has ended. */
async function refusing(host: string): Promise<void> {
  const greeting = () =>
    new Promise<string>((resolve, reject) => {
      const socket = dial(22, lab.addressOf(host));
      socket.once('error', reject).once('data', (said) => {
        socket.destroy();
        resolve(String(said));
      });
    });
  await vi.waitFor(async () => expect(await greeting()).toMatch(/Not allowed/), { timeout: 10_000, interval: 200 });
}

async function setUp(host: string, line: string): Promise<void> {
  expect(await lab.exec(host, line)).toMatchObject({ code: 0 });
}

beforeAll(async () => {
  lab = await openLab({ name: 'cxdeadlines', hosts: 10, suites: ['bookworm'], fresh: true });
  await lab.add('h11', { suite: 'trixie' });
  folder = mkdtempSync(join(tmpdir(), 'deadlines-'));
  mkdirSync(join(folder, 'playbooks'));
  writeFileSync(join(folder, 'playbooks', 'work.ts'), WORK);
  const stall = 'pam_exec.so quiet /bin/sleep 120';
  await Promise.all([
    setUp('h7', `echo 'account required ${stall}' >>/etc/pam.d/sshd`),
    setUp('h8', `echo 'session required ${stall}' >>/etc/pam.d/sudo`),
  ]);
});
afterAll(async () => {
  for (const one of open) one.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

describe.concurrent('a host that falls silent', () => {
  it('in the middle of its work is unreachable within 15 seconds, however it came to be silent; the others go on', async ({
    expect,
  }) => {
    const inventory = join(folder, 'six.ini');
    await lab.writeInventory(inventory, { hosts: ['h1', ...TROUBLES.map(([host]) => host)] });
    const run = runPlay(['work', '-i', inventory], { cwd: folder });
    for (const host of ['h1', ...TROUBLES.map(([name]) => name)]) {
      await expect.poll(async () => (await lab.exec(host, 'test -e /run/at-work')).code).toBe(0);
    }
    const struckAt = clock.now();
    await Promise.all(TROUBLES.map(([, trouble]) => trouble()));
    await lab.exec('h1', 'touch /run/go');
    const result = await run;
    const afterMs = clock.now() - struckAt;
    expect(result.text).toMatch(/h1 .*ok=2/);
    for (const [host, , words] of TROUBLES) {
      const said = result.text.split('\n').find((line) => line.startsWith('ERROR') && line.includes(host));
      expect(said).toMatch(words);
      expect(result.text).toMatch(new RegExp(`${host} .*unreachable=1`));
    }
    expect(result.code).toBe(4);
    expect(afterMs).toBeLessThan(SILENCE_MS + 5_000);
  });

  it('while it checks who we are is given up after 20 seconds', async ({ expect }) => {
    const { error, afterMs } = await failure(connect('h7'));
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error).toMatchObject({ host: 'h7', message: expect.stringContaining('sshd did not answer the log-in') });
    expect(afterMs).toBeLessThan(30_000);
  });

  it.each([
    ['without a password', {}],
    ['with one', { ansible_become_password: 'unused' }],
  ])('while sudo takes its time, %s, is given up after 20 seconds', async (_, vars) => {
    const { error, afterMs } = await failure(connect('h8', { vars: { ansible_user: 'plain', ...vars } }));
    expect(error.message).toMatch(/no shell within 20 s/);
    expect(error).toMatchObject({ host: 'h8' });
    expect(afterMs).toBeLessThan(30_000);
  });
});

describe.concurrent('a jump host', () => {
  it('that is cut makes every host behind it unreachable, those that are at work and those that come later', async ({
    expect,
  }) => {
    const routes = new Routes(new PrivateKeys());
    open.push(routes);
    const known = `-F none -o UserKnownHostsFile=${lab.knownHostsFile}`;
    const vars = { ansible_ssh_common_args: `${known} -J root@${lab.addressOf('h9')}` };
    const behind = await Promise.all(['h1', 'h10'].map((host) => connect(host, { vars, routes })));
    const working = behind.map((connection) => failure(connection.run('sleep 60')));
    await lab.cut('h9');
    for (const [index, { error, afterMs }] of (await Promise.all(working)).entries()) {
      expect(error).toBeInstanceOf(UnreachableError);
      expect(error.host).toBe(['h1', 'h10'][index]);
      expect(afterMs).toBeLessThan(SILENCE_MS);
    }
    const later = await failure(connect('h10', { vars, routes }));
    expect(later.error).toMatchObject({ host: 'h10', message: expect.stringContaining(`root@${lab.addressOf('h9')}`) });
    expect(later.afterMs).toBeLessThan(SILENCE_MS);
  });
});

describe.concurrent('an sshd that punishes (PerSourcePenalties)', () => {
  it('lets many log in at once, is waited for after a refusal, and is named when it takes too long', async ({
    expect,
  }) => {
    const punish = async (words: string) => {
      const file = '/etc/ssh/sshd_config.d/00-penalties.conf';
      await setUp('h11', `printf '%s\\n' '${words}' 'PasswordAuthentication yes' >${file}; systemctl restart ssh`);
    };
    await setUp('h11', "sed -i '/PerSourcePenalties/d' /etc/ssh/sshd_config.d/lab.conf");
    const wrong = {
      ansible_user: 'plain',
      ansible_ssh_private_key_file: '',
      ansible_ssh_common_args: `-F none -o IdentityFile=none -o UserKnownHostsFile=${lab.knownHostsFile}`,
      ansible_password: 'wrong',
    };

    // As Debian 13 comes.
    await punish('PerSourcePenalties yes');
    const many = await Promise.all(Array.from({ length: 40 }, () => connect('h11')));
    expect(await Promise.all(many.map(async (one) => (await one.run('uname -n')).stdout))).toEqual(
      Array(40).fill('h11\n'),
    );

    await punish('PerSourcePenalties authfail:8s min:3s');
    await expect(connect('h11', { vars: wrong })).rejects.toThrow(AuthenticationError);
    await refusing('h11');
    const started = performance.now();
    const late = await connect('h11');
    expect((await late.run('uname -n')).stdout).toBe('h11\n');
    expect(performance.now() - started).toBeGreaterThan(500);

    await punish('PerSourcePenalties authfail:90s min:80s');
    await expect(connect('h11', { vars: wrong })).rejects.toThrow(AuthenticationError);
    await refusing('h11');
    const { error, afterMs } = await failure(connect('h11'));
    expect(error.message).toMatch(/PerSourcePenalties/);
    expect(error).toMatchObject({ host: 'h11' });
    expect(afterMs).toBeLessThan(30_000);
  });
});
