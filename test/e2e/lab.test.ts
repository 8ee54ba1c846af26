import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { takeDown } from '../lab/down.ts';
import { findLab, type Lab, openLab } from '../lab/lab.ts';
import { projectDir } from '../lab/places.ts';
import { ensureRelease } from '../lab/releases.ts';
import { carefulPassword } from '../lab/users.ts';

let one: Lab;
let two: Lab;

beforeAll(async () => {
  [one, two] = await Promise.all([
    openLab({ name: 'lab1', hosts: 3, suites: [11, 12, 13], fresh: true }),
    openLab({ name: 'lab2', hosts: 1, fresh: true }),
  ]);
});
afterAll(async () => {
  await Promise.all([one?.down(), two?.down(), takeDown('lab3')]);
});

const out = async (lab: Lab, host: string, line: string, user?: 'plain' | 'careful' | 'nosudo') =>
  (await lab.exec(host, line, user ? { user } : {})).stdout.trim();

describe('a lab', () => {
  it('boots real hosts of Debian 11, 12 and 13, each run by its own systemd', async () => {
    for (const [host, release] of [
      ['h1', '11'],
      ['h2', '12'],
      ['h3', '13'],
    ] as const) {
      expect(await out(one, host, '. /etc/os-release; echo $VERSION_ID')).toBe(release);
      expect(await out(one, host, 'cat /proc/1/comm; systemctl is-system-running')).toBe('systemd\nrunning');
      expect(await out(one, host, 'hostname')).toBe(host);
    }
  });

  it('lets in root by key, one user with free sudo, one with sudo by password, and one without sudo', async () => {
    expect(await out(one, 'h2', 'id -un')).toBe('root');
    expect(await out(one, 'h2', 'sudo -n id -un', 'plain')).toBe('root');
    expect((await one.exec('h2', 'sudo -n id -un', { user: 'careful' })).code).not.toBe(0);
    const asked = await one.exec('h2', 'sudo -S -p "" id -un', { user: 'careful', input: `${carefulPassword}\n` });
    expect(asked.stdout.trim()).toBe('root');
    expect((await one.exec('h2', 'sudo -n id -un', { user: 'nosudo' })).code).not.toBe(0);
  });

  it('is not disturbed by another lab at its side: own addresses, and no way from one to the other', async () => {
    const subnet = (lab: Lab) => lab.addressOf('h1').split('.').slice(0, 3).join('.');
    expect(subnet(one)).not.toBe(subnet(two));
    const dial = `timeout 2 bash -c '</dev/tcp/${two.addressOf('h1')}/22'`;
    expect((await one.exec('h2', dial)).code).not.toBe(0);
    expect((await one.exec('h2', `timeout 2 bash -c '</dev/tcp/${one.addressOf('h3')}/22'`)).code).toBe(0);
  });

  it('keeps the disk over a power loss, and gives an empty one and new host keys after a wipe', async () => {
    const key = () => out(two, 'h1', 'cat /etc/ssh/ssh_host_ed25519_key.pub');
    const before = await key();
    await two.exec('h1', 'echo kept >/root/note; sync');
    await two.kill('h1');
    await two.start('h1');
    expect(await out(two, 'h1', 'cat /root/note')).toBe('kept');
    expect(await key()).toBe(before);
    await two.wipe('h1');
    expect((await two.exec('h1', 'cat /root/note')).code).not.toBe(0);
    expect(await key()).not.toBe(before);
  });

  it('cuts the network of one host and heals it', async () => {
    await one.cut('h1');
    const logIn = () => one.exec('h1', 'echo back', { user: 'plain', timeoutMs: 3000 });
    expect((await logIn()).code).not.toBe(0);
    await one.heal('h1');
    await expect.poll(async () => (await logIn()).stdout, { timeout: 20_000 }).toBe('back\n');
  });

  it('lets whoever looked for it in vain reach a healed host at once', async () => {
    const reach = () =>
      new Promise<string>((resolve) => {
        const socket = connect({ host: one.addressOf('h1'), port: 22, timeout: 10_000 });
        const end = (word: string) => {
          socket.destroy();
          resolve(word);
        };
        socket.once('connect', () => end('connected'));
        socket.once('error', (error) => end(error.message));
        socket.once('timeout', () => end('silent'));
      });
    await one.cut('h1');
    // The kernel looks for a host's hardware address for three seconds at a time, and tells all who wait then that there is no route.
    const before = reach();
    await new Promise((resolve) => setTimeout(resolve, 2_950));
    await one.heal('h1');
    expect(await Promise.all([before, reach()])).toEqual(['connected', 'connected']);
  });

  it('slows a host down by as much as was said', async () => {
    await two.slow('h1', 80);
    const started = performance.now();
    execFileSync('bash', ['-c', `exec 3<>/dev/tcp/${two.addressOf('h1')}/22; read -r -u 3 line`]);
    expect(performance.now() - started).toBeGreaterThan(80);
    await two.slow('h1', 0);
  });

  it('lets no more through to a host than was said', async () => {
    await two.narrow('h1', 40);
    const started = performance.now();
    const { stdout } = await two.exec('h1', 'head -c 5000000 /dev/zero', { user: 'root' });
    expect(stdout).toHaveLength(5_000_000);
    // 1 s for all of it, less what the line takes at once.
    expect(performance.now() - started).toBeGreaterThan(800);
    await two.narrow('h1', 0);
  });

  it('is brought up by the same command after it was killed half-way', async () => {
    const up = () =>
      spawn('npx', ['jiti', 'test/lab/cli.ts', 'up', '2', '--name', 'lab3'], {
        cwd: projectDir,
        detached: true,
        stdio: 'ignore',
      });
    const first = up();
    await expect.poll(() => existsSync(join(dirname(one.dir), 'lab3', 'lab.json')), { timeout: 20_000 }).toBe(true);
    process.kill(-first.pid!, 'SIGKILL');
    const code = await new Promise((resolve) => up().on('close', resolve));
    expect(code).toBe(0);
    const lab = await findLab('lab3');
    for (const host of ['h1', 'h2']) expect(await out(lab, host, 'echo up')).toBe('up');
  });

  it('leaves nothing behind when it is taken down', async () => {
    await takeDown('lab3');
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain('lab3');
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain('/lab3/');
    expect(existsSync(join(dirname(one.dir), 'lab3'))).toBe(false);
  });

  it('packs real etcd releases as etcd does: the archive, and SHA256SUMS that name it', async () => {
    const { archive } = await ensureRelease('3.4.23');
    const sums = readFileSync(join(dirname(archive), 'SHA256SUMS'), 'utf8');
    const sum = createHash('sha256').update(readFileSync(archive)).digest('hex');
    expect(sums).toContain(`${sum}  etcd-v3.4.23-linux-amd64.tar.gz`);
    expect(execFileSync('tar', ['-tzf', archive], { encoding: 'utf8' })).toContain('etcd-v3.4.23-linux-amd64/etcdctl');
  });
});
