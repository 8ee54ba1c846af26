import { execFile } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { projectDir, releasesDir } from '../lab/places.ts';
import { ensureRelease } from '../lab/releases.ts';
import { processorSeconds, shortWork } from './processor-time.ts';
import { membersSeenBy } from './witness.ts';

const run = promisify(execFile);
/** `nobody`: an ordinary user, with nothing of its own but a folder. */
const UID = 65534;

let lab: Lab;
let home: string;
let prefix: string;

/** Runs the installed command as the ordinary user, in a folder that is far from any repository. */
async function play(...words: string[]): Promise<{ code: number; text: string }> {
  const env = { PATH: `${join(prefix, 'bin')}:${process.env.PATH}`, HOME: home, NO_COLOR: '1' };
  try {
    const { stdout, stderr } = await run('play', words, { cwd: home, env, uid: UID, gid: UID });
    return { code: 0, text: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, text: stdout + stderr };
  }
}

function own(path: string, text?: string): string {
  if (text !== undefined) writeFileSync(path, text);
  chownSync(path, UID, UID);
  return path;
}

beforeAll(async () => {
  await ensureRelease('3.5.16');
  lab = await openLab({ name: 'package', hosts: 1, fresh: true });
  home = mkdtempSync(join(tmpdir(), 'play-home-'));
  prefix = mkdtempSync(join(tmpdir(), 'play-prefix-'));
  for (const folder of [home, prefix]) chmodSync(folder, 0o755);
  own(home);
  const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', prefix], {
    cwd: projectDir,
  });
  await run('npm', [
    'install',
    '--global',
    '--silent',
    '--prefix',
    prefix,
    join(prefix, stdout.trim().split('\n').at(-1)!),
  ]);
  copyFileSync(lab.keyFile, join(home, 'key'));
  chmodSync(own(join(home, 'key')), 0o600);
  copyFileSync(lab.knownHostsFile, join(home, 'known_hosts'));
  own(
    join(home, 'hosts.ini'),
    [
      '[etcd]',
      `h1 ansible_host=${lab.addressOf('h1')}`,
      '[etcd:vars]',
      'ansible_user = plain',
      `ansible_ssh_private_key_file = ${join(home, 'key')}`,
      `ansible_ssh_common_args = -o UserKnownHostsFile=${join(home, 'known_hosts')}`,
      'ETCD_VERSION = 3.5.16',
      `ETCD_RELEASE_DIR = ${releasesDir}`,
      '',
    ].join('\n'),
  );
});
afterAll(async () => {
  for (const folder of [home, prefix]) if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

describe('the package, installed globally with no repository around it', () => {
  it('runs play create_etcd as an ordinary user from any folder', async () => {
    const { code, text } = await play('create_etcd', '-i', 'hosts.ini');
    expect(code, text).toBe(0);
    expect((await membersSeenBy(lab, 'h1')).map(({ name }) => name)).toEqual(['etcd-h1']);
    expect(readdirSync(join(home, 'pki'))).toContain('ca-key.pem');
  });

  it('lists its playbooks', async () => {
    const { code, text } = await play('list');
    expect(code, text).toBe(0);
    expect(text).toMatch(/^create_etcd +make a TLS etcd cluster/m);
  });

  it('takes a template in the working folder before its own', async () => {
    own(mkdirp(join(home, 'templates')));
    own(join(home, 'templates', 'etcd.service.hbs'), '# mine, for {{user}}\n[Service]\nExecStart={{binary}}\n');
    const { code, text } = await play('create_etcd', '-i', 'hosts.ini', '-C', '-D');
    expect(code, text).toBe(0);
    expect(text).toContain('+# mine, for etcd');
    rmSync(join(home, 'templates'), { recursive: true });
  });

  it('runs a TypeScript playbook of the user, as it is, before its own of the same name', async () => {
    own(mkdirp(join(home, 'playbooks')));
    own(
      join(home, 'playbooks', 'create_etcd.ts'),
      `import { file, playbook, play, task } from 'etcd-play';
       const text: string = 'hello from my own';
       export default playbook({
         name: 'mine', description: 'my own', hosts: 'etcd',
         plays: () => [play('Greet', { tasks: [task('Motd is there', () => file({ path: '/etc/motd', content: text, mode: 0o644 }))] })],
       });\n`,
    );
    const { code, text } = await play('create_etcd', '-i', 'hosts.ini');
    expect(code, text).toBe(0);
    expect(text).toContain('changed: [h1] Motd is there');
    expect((await lab.exec('h1', 'cat /etc/motd')).stdout).toBe('hello from my own');
    expect((await play('create_etcd', '-i', 'hosts.ini')).text).toContain('ok: [h1] Motd is there');
  });

  it('answers play --help after 0.3 s of work at most', async () => {
    expect((await play('--help')).code).toBe(0);
    expect(await processorSeconds([join(prefix, 'bin', 'play'), '--help'])).toBeLessThan(await shortWork());
  });
});

function mkdirp(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}
