import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../src/connection/connection.ts';
import { openConnection } from '../../src/connection/open.ts';
import { connectionSettings } from '../../src/connection/settings.ts';
import { UnreachableError } from '../../src/errors.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { carefulPassword } from '../lab/users.ts';
import { OwnClock } from './standstill.ts';

let lab: Lab;
let folder: string;
const open: Connection[] = [];

async function connect(vars: Record<string, string>): Promise<Connection> {
  const all = {
    ansible_host: lab.addressOf('h1'),
    ansible_user: 'root',
    ansible_ssh_private_key_file: lab.keyFile,
    ansible_ssh_common_args: `-o UserKnownHostsFile=${lab.knownHostsFile}`,
    ...vars,
  };
  const given = Object.entries(all).map(
    ([name, value]) => [name, { value, origin: { file: 'test', line: 1 } }] as const,
  );
  const connection = await openConnection(connectionSettings('h1', new Map(given), { become: true }));
  open.push(connection);
  return connection;
}

beforeAll(async () => {
  lab = await openLab({ name: 'conn', hosts: 1, fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'conn-'));
});
afterAll(async () => {
  for (const connection of open) connection.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

describe('a connection over ssh2', () => {
  it.each([
    ['root by key', {}],
    ['a user with free sudo', { ansible_user: 'plain' }],
    ['a user with sudo by password', { ansible_user: 'careful', ansible_become_password: carefulPassword }],
    ['free sudo, with a password that nobody asks for', { ansible_user: 'plain', ansible_become_password: 'unused' }],
  ])('runs scripts as root for %s', async (_, vars) => {
    const connection = await connect(vars);
    expect(await connection.run('id -u; echo aside >&2; exit 3')).toMatchObject({
      code: 3,
      stdout: '0\n',
      stderr: 'aside\n',
    });
  });

  it('keeps the sudo password out of every argument list and environment on the host', async () => {
    const connection = await connect({ ansible_user: 'careful', ansible_become_password: carefulPassword });
    // The marked letter keeps the search from finding itself.
    const pattern = `[${carefulPassword[0]}]${carefulPassword.slice(1)}`;
    const { stdout } = await connection.run(
      `cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c -e '${pattern}'`,
    );
    expect(stdout).toBe('0\n');
  });

  it('logs in with the keys of an ssh-agent', async () => {
    const socket = join(folder, 'agent');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      await expect.poll(() => run('ssh-add', [lab.keyFile], socket)).toBe(true);
      process.env.SSH_AUTH_SOCK = socket;
      const connection = await connect({ ansible_ssh_private_key_file: '' });
      expect((await connection.run('id -u')).stdout).toBe('0\n');
    } finally {
      delete process.env.SSH_AUTH_SOCK;
      agent.kill();
    }
  });

  it('finds a host whose name is hashed in known_hosts', async () => {
    const hashed = join(folder, 'hashed');
    copyFileSync(lab.knownHostsFile, hashed);
    execFileSync('ssh-keygen', ['-H', '-f', hashed], { stdio: 'ignore' });
    const connection = await connect({ ansible_ssh_common_args: `-o UserKnownHostsFile=${hashed}` });
    expect((await connection.run('true')).code).toBe(0);
  });

  it('refuses a host whose key is not in known_hosts, and sends it nothing', async () => {
    const empty = join(folder, 'empty');
    writeFileSync(empty, '');
    const refused = connect({ ansible_ssh_common_args: `-o UserKnownHostsFile=${empty}` });
    await expect(refused).rejects.toThrow(/host key of .* is not known/);
  });

  it('carries a script with an input in order, byte for byte', async () => {
    const connection = await connect({ ansible_user: 'plain' });
    const bytes = randomBytes(20_000_000);
    const input = { sizeBytes: bytes.length, open: () => Readable.from([bytes.subarray(0, 7), bytes.subarray(7)]) };
    await connection.run('cat >/root/received', { input });
    const { stdout } = await connection.run('sha256sum </root/received');
    const { createHash } = await import('node:crypto');
    expect(stdout.slice(0, 64)).toBe(createHash('sha256').update(bytes).digest('hex'));
  });

  it('costs one round trip for each script, and reads no start-up files of the shell', async () => {
    await lab.exec('h1', 'echo "echo noise; sleep 2" >>/root/.profile');
    const connection = await connect({});
    const before = connection.roundTrips;
    for (let i = 0; i < 5; i++) expect((await connection.run('echo quiet')).stdout).toBe('quiet\n');
    expect(connection.roundTrips - before).toBe(5);
  });

  it('says how to allow tunnels where sshd forbids them', async () => {
    await lab.exec('h1', 'echo AllowTcpForwarding no >/etc/ssh/sshd_config.d/no.conf; systemctl restart ssh');
    const connection = await connect({});
    await expect(connection.openStream('127.0.0.1', 22)).rejects.toMatchObject({
      host: 'h1',
      forbidden: true,
      next: 'Allow it in sshd_config there: AllowTcpForwarding local',
    });
    await lab.exec('h1', 'rm /etc/ssh/sshd_config.d/no.conf; systemctl restart ssh');
  });

  it('notices a network that is cut within 15 seconds, in the middle of a script, and names the host', async () => {
    const connection = await connect({});
    const running = connection.run('sleep 120');
    const clock = new OwnClock();
    const started = clock.now();
    setTimeout(() => void lab.cut('h1'), 200);
    const error = await running.catch((thrown: unknown) => thrown);
    await lab.heal('h1');
    expect(error).toBeInstanceOf(UnreachableError);
    expect((error as UnreachableError).host).toBe('h1');
    expect(clock.now() - started).toBeLessThan(15_000);
  });
});

function run(command: string, args: string[], agent: string): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore', env: { ...process.env, SSH_AUTH_SOCK: agent } });
    return true;
  } catch {
    return false;
  }
}
