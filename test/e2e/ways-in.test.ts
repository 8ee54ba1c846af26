import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unlockKeys } from '../../src/connection/authentication.ts';
import type { Connection } from '../../src/connection/connection.ts';
import { AuthenticationError } from '../../src/connection/errors.ts';
import { openConnection } from '../../src/connection/open.ts';
import { PrivateKeys } from '../../src/connection/private-keys.ts';
import { Routes } from '../../src/connection/routes.ts';
import type { ConnectionDefaults } from '../../src/connection/settings.ts';
import { SshConfig } from '../../src/connection/ssh-config.ts';
import { UnreachableError } from '../../src/errors.ts';
import { Secret } from '../../src/secret.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { runOnTerminal } from './on-terminal.ts';
import { runPlay } from './play.ts';
import { OwnClock } from './standstill.ts';

let lab: Lab;
let folder: string;
const open: { close(): void }[] = [];
const config = new SshConfig();

function variables(vars: Record<string, string>) {
  return new Map(Object.entries(vars).map(([name, value]) => [name, { value, origin: { file: 'test', line: 1 } }]));
}

/** A connection to h2 as root with the lab's key, but for what is said. */
async function connect(
  vars: Record<string, string>,
  { defaults = {}, routes }: { defaults?: Partial<ConnectionDefaults>; routes?: Routes } = {},
): Promise<Connection> {
  const all = {
    ansible_host: lab.addressOf('h2'),
    ansible_user: 'root',
    ansible_ssh_private_key_file: lab.keyFile,
    ansible_ssh_common_args: known(),
    ...vars,
  };
  const settings = await config.settings('h2', variables(all), { become: true, ...defaults });
  const connection = await openConnection(settings, routes);
  open.push(connection);
  return connection;
}

const known = (file = lab.knownHostsFile) => `-o UserKnownHostsFile=${file} -o GlobalKnownHostsFile=none`;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** The Ed25519 line of a host in the lab's known_hosts, under its address alone. */
function knownLine(host: string): string {
  const lines = readFileSync(lab.knownHostsFile, 'utf8').split('\n');
  const [, type, key] = lines.find((line) => line.startsWith(`${lab.addressOf(host)},`))!.split(' ');
  return `${lab.addressOf(host)} ${type} ${key}`;
}

const keygen = (...words: string[]) => execFileSync('ssh-keygen', ['-q', ...words], { stdio: 'pipe' });
const hostOf = async (connection: Connection) => (await connection.run('uname -n')).stdout.trim();

beforeAll(async () => {
  lab = await openLab({ name: 'cxways', hosts: 3, suites: ['bookworm'], fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'ways-'));
  await lab.exec('h2', "printf 'Port 22\\nPort 2222\\n' >/etc/ssh/sshd_config.d/ports.conf; systemctl restart ssh");
});
afterAll(async () => {
  for (const one of open) one.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

describe('a host key', () => {
  it('that is new is added to known_hosts on request, hashed if so wished, and known from then on', async () => {
    const path = file('new', 'unfinished.example ssh-ed25519 AAAA');
    const args = `${known(path)} -F none -o StrictHostKeyChecking=accept-new -o HashKnownHosts=yes`;
    await connect({ ansible_ssh_common_args: args });
    const lines = readFileSync(path, 'utf8').trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/^\|1\|\S+\|\S+ (ssh-ed25519|ecdsa|ssh-rsa)/);
    await connect({ ansible_ssh_common_args: known(path) });
    // The witness: OpenSSH finds it too.
    expect(execFileSync('ssh-keygen', ['-F', lab.addressOf('h2'), '-f', path], { encoding: 'utf8' })).toContain(
      'found',
    );
  });

  it('is added once for each host when many are new at the same time', async () => {
    const path = join(folder, 'many');
    const args = `${known(path)} -F none -o StrictHostKeyChecking=accept-new`;
    const hosts = ['h1', 'h2', 'h3', 'h1', 'h2', 'h3'];
    await Promise.all(
      hosts.map((host) => connect({ ansible_host: lab.addressOf(host), ansible_ssh_common_args: args })),
    );
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(3);
  });

  it('that has changed stops the host with the line, also where new keys are accepted', async () => {
    const other = knownLine('h1').replace(lab.addressOf('h1'), lab.addressOf('h2'));
    const path = file('changed', `# a comment\n${other}\n`);
    const args = `${known(path)} -o StrictHostKeyChecking=accept-new`;
    const failure = connect({ ansible_ssh_common_args: args });
    await expect(failure).rejects.toThrow('has changed');
    await expect(failure).rejects.toMatchObject({ name: 'HostKeyError', file: path, line: 2 });
  });

  it.each<[string, (key: string, address: string) => string, number, string | undefined]>([
    ['by a wildcard', (key) => `10.*,other.example ${key}`, 22, undefined],
    ['by a single sign', (key, address) => `${address.slice(0, -1)}? ${key}`, 22, undefined],
    ['but for a wildcard that is negated', (key, address) => `10.*,!${address} ${key}`, 22, 'is not known'],
    ['by a negation that means another', (key, address) => `!10.0.0.*,${address} ${key}`, 22, undefined],
    ['by its port', (key, address) => `[${address}]:2222 ${key}`, 2222, undefined],
    ['by any port', (key, address) => `[${address}]:* ${key}`, 2222, undefined],
    ['without a port', (key, address) => `${address} ${key}`, 2222, undefined],
    ['under another port only', (key, address) => `[${address}]:2222 ${key}`, 22, 'is not known'],
  ])('named %s is known or not as OpenSSH has it', async (name, line, port, reason) => {
    const [address, ...words] = knownLine('h2').split(' ');
    const path = file(name.replaceAll(' ', '-'), `${line(words.join(' '), address!)}\n`);
    const args = `${known(path)} -F none`;
    const attempt = connect({ ansible_port: String(port), ansible_ssh_common_args: args });
    if (reason) await expect(attempt).rejects.toThrow(reason);
    else expect(await hostOf(await attempt)).toBe('h2');
    // The witness.
    const own = ['-F', 'none', '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=yes', '-i', lab.keyFile];
    const files = ['-o', `UserKnownHostsFile=${path}`, '-o', 'GlobalKnownHostsFile=none'];
    const ssh = spawnSync('ssh', [...own, ...files, '-p', String(port), `root@${address}`, 'true']);
    expect(ssh.status === 0).toBe(reason === undefined);
  });

  it('that is revoked is refused although it is known', async () => {
    const line = knownLine('h2');
    const path = file('revoked', `${line}\n@revoked * ${line.split(' ').slice(1).join(' ')}\n`);
    await expect(connect({ ansible_ssh_common_args: known(path) })).rejects.toThrow('is revoked');
  });
});

describe('a host certificate', () => {
  let authority: string;
  beforeAll(async () => {
    authority = join(folder, 'ca');
    keygen('-t', 'ed25519', '-N', '', '-f', authority);
  });

  /** Signs the host key of h3 and has its sshd show the certificate. */
  async function certify(...words: string[]): Promise<void> {
    const name = '/etc/ssh/ssh_host_ed25519_key';
    const key = file('h3.pub', (await lab.exec('h3', `cat ${name}.pub`)).stdout);
    keygen('-s', authority, '-h', '-I', 'h3', ...words, key);
    const certificate = readFileSync(join(folder, 'h3-cert.pub'), 'utf8');
    const done = await lab.exec(
      'h3',
      `cat >${name}-cert.pub; echo HostCertificate ${name}-cert.pub >/etc/ssh/sshd_config.d/cert.conf; systemctl restart ssh`,
      { input: certificate },
    );
    expect(done).toMatchObject({ code: 0 });
  }
  const trusting = (name = '*') => {
    const path = file(
      `authority-${name.length}`,
      `@cert-authority ${name} ${readFileSync(`${authority}.pub`, 'utf8')}`,
    );
    return { ansible_host: lab.addressOf('h3'), ansible_ssh_common_args: known(path) };
  };

  it('of an authority in known_hosts makes its host known, although its key stands nowhere', async () => {
    await certify('-n', lab.addressOf('h3'));
    expect(await hostOf(await connect(trusting()))).toBe('h3');
  });

  it('does not make known another host, nor one for which the authority does not speak', async () => {
    await expect(connect({ ...trusting(), ansible_host: lab.addressOf('h2') })).rejects.toThrow('no certificate');
    await expect(connect(trusting('10.0.0.*'))).rejects.toThrow('is not known');
  });

  it.each([
    ['for another name', ['-n', 'other.example'], 'it is for other.example'],
    ['that has expired', ['-n', '*', '-V', '20200101:20200201'], 'it has expired'],
  ])('%s is refused with the reason', async (_, words, reason) => {
    await certify(...words);
    await expect(connect(trusting())).rejects.toThrow(reason);
  });
});

describe('the ssh configuration', () => {
  it('gives address, user, key and known hosts of an alias; variables of the inventory stand above it', async () => {
    const path = file(
      'config',
      `Host web\n HostName ${lab.addressOf('h2')}\n User plain\n IdentityFile ${lab.keyFile}\n IdentitiesOnly yes
 UserKnownHostsFile ${lab.knownHostsFile}\n Port 22\nHost *\n Port 2222\n`,
    );
    const vars = { ansible_host: 'web', ansible_user: '', ansible_ssh_private_key_file: '' };
    const all = { ...vars, ansible_ssh_common_args: `-F ${path}` };
    const connection = await connect(all, { defaults: { become: false } });
    expect((await connection.run('id -un; uname -n')).stdout).toBe('plain\nh2\n');
    const root = await connect({ ...all, ansible_user: 'root' }, { defaults: { become: false } });
    expect((await root.run('id -un')).stdout).toBe('root\n');
  });
});

describe('jump hosts', () => {
  const sessions = async (host: string) =>
    Number((await lab.exec(host, "ss -Htn state established '( sport = :22 )' | wc -l")).stdout);

  it('are passed one after the other, each with its own user', async () => {
    const jumps = `plain@${lab.addressOf('h1')},nosudo@${lab.addressOf('h3')}:22`;
    const connection = await connect({ ansible_ssh_common_args: `${known()} -J ${jumps}` });
    const { stdout } = await connection.run('uname -n; echo "$SSH_CONNECTION"');
    expect(stdout).toMatch(new RegExp(`^h2\n${lab.addressOf('h3')} `));
  });

  it('have one connection for all the hosts behind them', async () => {
    const before = await sessions('h1');
    const routes = new Routes(new PrivateKeys());
    open.push(routes);
    const through = { ansible_ssh_common_args: `${known()} -o ProxyJump=root@${lab.addressOf('h1')}` };
    const behind = await Promise.all(
      ['h2', 'h3', 'h2', 'h3', 'h2', 'h3', 'h2', 'h3'].map((host) =>
        connect({ ...through, ansible_host: lab.addressOf(host) }, { routes }),
      ),
    );
    expect(await Promise.all(behind.map(hostOf))).toEqual(['h2', 'h3', 'h2', 'h3', 'h2', 'h3', 'h2', 'h3']);
    expect((await sessions('h1')) - before).toBe(1);
    // None is quick where the jump host holds small packets back.
    const tookMs: number[] = [];
    for (let n = 0; n < 20; n++) tookMs.push((await behind[0]!.run(':')).durationMs);
    expect(Math.min(...tookMs)).toBeLessThan(30);
  });

  it('are checked by their own host keys', async () => {
    const path = file('only-h2', `${knownLine('h2')}\n`);
    const failure = connect({ ansible_ssh_common_args: `${known(path)} -J root@${lab.addressOf('h1')}` });
    await expect(failure).rejects.toThrow(/jump host root@.*host key of .* is not known/);
    await expect(failure).rejects.toMatchObject({ host: 'h2' });
  });

  it('may be a command, whose last words stand in the error when it fails', async () => {
    const ssh = `ssh -F none -i ${lab.keyFile} -o UserKnownHostsFile=${lab.knownHostsFile}`;
    const command = `-o ProxyCommand="${ssh} -W %h:%p plain@${lab.addressOf('h1')}"`;
    expect(await hostOf(await connect({ ansible_ssh_common_args: `${known()} ${command}` }))).toBe('h2');
    const broken = `${known()} -o ProxyCommand="sh -c 'echo no way >&2; exit 1'"`;
    await expect(connect({ ansible_ssh_common_args: broken })).rejects.toThrow(/proxy command ended: no way/);
  });

  it('that lead nowhere are an error that names both', async () => {
    const through = `${known()} -J root@${lab.addressOf('h1')}`;
    const failure = connect({ ansible_port: '2', ansible_ssh_common_args: through });
    await expect(failure).rejects.toThrow(/:2 cannot be reached through root@/);
  });
});

describe('a log-in', () => {
  const password = 'of the lab only';
  beforeAll(async () => {
    await lab.exec('h2', `echo 'plain:${password}' | chpasswd; echo 'careful:${password}' | chpasswd`);
  });
  const sshd = async (text: string) => {
    const done = await lab.exec('h2', 'cat >/etc/ssh/sshd_config.d/00-test.conf && systemctl restart ssh', {
      input: text,
    });
    expect(done.code).toBe(0);
  };
  const withPassword = (word: string) => ({
    ansible_user: 'plain',
    ansible_ssh_private_key_file: '',
    ansible_ssh_common_args: `${known()} -F none -o IdentityFile=none`,
    ansible_password: word,
  });

  it.each([
    ['password', 'PasswordAuthentication yes\nKbdInteractiveAuthentication no\n'],
    ['keyboard-interactive', 'PasswordAuthentication no\nKbdInteractiveAuthentication yes\nUsePAM yes\n'],
  ])('by %s works, and a wrong password is tried once', async (_, text) => {
    await sshd(text);
    expect((await (await connect(withPassword(password))).run('id -u')).stdout).toBe('0\n');
    const since = (await lab.exec('h2', 'date +%s')).stdout.trim();
    await expect(connect(withPassword('wrong'))).rejects.toThrow(AuthenticationError);
    const log = `journalctl -u ssh --since @${since} | grep -c 'sshd:auth): authentication failure'`;
    await expect.poll(async () => (await lab.exec('h2', log)).stdout.trim()).toBe('1');
  });

  it.each([
    ['an encrypted OpenSSH key', ['-t', 'ed25519', '-N', 'words']],
    ['an encrypted PEM key', ['-t', 'rsa', '-b', '2048', '-m', 'PEM', '-N', 'words']],
    ['an encrypted PKCS#8 key', ['-t', 'ecdsa', '-m', 'PKCS8', '-N', 'words']],
  ])('with %s asks for its passphrase once for all hosts', async (name, words) => {
    const path = join(folder, name.replace(/\W/g, '-'));
    keygen(...words, '-f', path);
    await lab.exec('h2', 'cat >>/root/.ssh/authorized_keys', { input: readFileSync(`${path}.pub`, 'utf8') });
    const questions: string[] = [];
    const keys = new PrivateKeys(async (question) => new Secret(questions.push(question) === 1 ? 'wrong' : 'words'));
    const routes = new Routes(keys);
    const settings = await config.settings(
      'h2',
      variables({
        ansible_host: lab.addressOf('h2'),
        ansible_user: 'root',
        ansible_ssh_private_key_file: path,
        ansible_ssh_common_args: known(),
      }),
      { become: true },
    );
    await Promise.all([unlockKeys(settings, keys), unlockKeys(settings, keys)]);
    const both = await Promise.all([openConnection(settings, routes), openConnection(settings, routes)]);
    open.push(...both);
    expect(await hostOf(both[1]!)).toBe('h2');
    expect(questions).toEqual([`Passphrase of ${path}: `, `That was not it. Passphrase of ${path}: `]);
    const untold = { ...settings, agent: undefined };
    await expect(openConnection(untold)).rejects.toThrow('has a passphrase, and there is no terminal');
  });

  it('with an Ed25519 key as openssl writes it works', async () => {
    const path = join(folder, 'openssl-key');
    execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', path], { stdio: 'pipe' });
    const key = new PrivateKeys().read(path);
    if (key.state !== 'ready') throw new Error(JSON.stringify(key));
    const line = `ssh-ed25519 ${key.key.getPublicSSH().toString('base64')}\n`;
    await lab.exec('h2', 'cat >>/root/.ssh/authorized_keys', { input: line });
    expect(await hostOf(await connect({ ansible_ssh_private_key_file: path }))).toBe('h2');
  });

  it('is tried again when sshd turned it away because too many were under way', async () => {
    await sshd('MaxStartups 2:80:4\n');
    const routes = new Routes(new PrivateKeys());
    open.push(routes);
    const many = await Promise.all(Array.from({ length: 20 }, () => connect({}, { routes })));
    expect(new Set(await Promise.all(many.map(hostOf)))).toEqual(new Set(['h2']));
    await sshd('');
  });

  it('as another become user runs scripts as that user', async () => {
    const connection = await connect({ ansible_user: 'plain', ansible_become_user: 'nosudo' });
    expect((await connection.run('id -un')).stdout).toBe('nosudo\n');
  });
});

describe('an sshd that does not keep up its end', () => {
  const servers: Server[] = [];
  afterAll(() => servers.forEach((server) => void server.close()));

  async function listen(greeting: string): Promise<Record<string, string>> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      if (greeting) socket.write(greeting);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    return { ansible_host: '127.0.0.1', ansible_port: String(port) };
  }

  it('is given up within its time, whether it says nothing or stalls in the middle', async () => {
    const clock = new OwnClock();
    const started = clock.now();
    const failures = await Promise.all(
      ['', 'SSH-2.0-OpenSSH_9.2\r\n'].map(async (greeting) =>
        connect({ ...(await listen(greeting)), ansible_timeout: '1' }).catch((error: unknown) => error),
      ),
    );
    for (const error of failures) expect(error).toBeInstanceOf(UnreachableError);
    for (const error of failures) expect((error as Error).message).toMatch(/no log-in: .* within 1 s/);
    expect(clock.now() - started).toBeLessThan(4_000);
  });
});

describe('the command line', () => {
  it('goes by the ssh configuration in the home directory, includes and jump hosts and all', async () => {
    const home = join(folder, 'home');
    mkdirSync(join(home, '.ssh', 'more'), { recursive: true });
    writeFileSync(join(home, '.ssh', 'config'), 'Include more/*.conf\n');
    const host = (name: string) => `Host web-${name}\n HostName ${lab.addressOf(name)}\n`;
    writeFileSync(
      join(home, '.ssh', 'more', 'web.conf'),
      `${host('h1')}${host('h2')} ProxyJump web-h1\nMatch host 10.*,web-*
 User plain\n IdentityFile ${lab.keyFile}\n UserKnownHostsFile ${lab.knownHostsFile}\n`,
    );
    const inventory = file('aliases.ini', '[web]\nweb-h1\nweb-h2\n');
    const result = await runPlay(['ping', 'web', '-i', inventory], { env: { HOME: home } });
    expect(result.text).toContain('plain on h2');
    expect(result.code).toBe(0);
  });

  it('takes user, key, forks and how new host keys are met', async () => {
    const path = join(folder, 'from-play');
    const inventory = file(
      'hosts.ini',
      `[web]\nh1 ansible_host=${lab.addressOf('h1')}\nh2 ansible_host=${lab.addressOf('h2')}\n
[web:vars]\nansible_ssh_common_args=${known(path)}\n`,
    );
    const words = ['ping', 'web', '-i', inventory, '-u', 'plain', '--private-key', lab.keyFile, '-f', '1'];
    const refused = await runPlay(words);
    expect(refused).toMatchObject({ code: 4 });
    expect(refused.text).toContain('--host-key-checking accept-new');
    const taken = await runPlay([...words, '--host-key-checking', 'accept-new']);
    expect(taken.text).toContain('plain on h1');
    expect(taken.code).toBe(0);
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(2);
  });

  it('asks once for all hosts: for the password, for that of sudo, and for the passphrase of a key', async () => {
    const [word, key] = ['a word of all hosts', join(folder, 'asked')];
    keygen('-t', 'ed25519', '-N', 'a phrase', '-f', key);
    const accept = `echo 'careful:${word}' | chpasswd; echo PasswordAuthentication yes >/etc/ssh/sshd_config.d/00-asked.conf
systemctl restart ssh; cat >>~careful/.ssh/authorized_keys`;
    const hosts = ['h1', 'h2', 'h3'];
    for (const host of hosts) await lab.exec(host, accept, { input: readFileSync(`${key}.pub`, 'utf8') });
    const listed = hosts.map((host) => `${host} ansible_host=${lab.addressOf(host)}`).join('\n');
    const args = `${known(file('all', hosts.map(knownLine).join('\n')))} -F none -o IdentityFile=none`;
    const path = file('asked.ini', `[web]\n${listed}\n[web:vars]\nansible_ssh_common_args=${args}\n`);
    const words = ['exec', 'web', '-i', path, '-u', 'careful', '-b', '-K'];
    const byPassword = await runOnTerminal(
      [...words, '-k', '--', 'id -un'],
      [
        ['SSH password: ', word],
        ['BECOME password', ''],
      ],
    );
    const byKey = await runOnTerminal(
      [...words, '--private-key', key, '--', 'id -un'],
      [
        ['BECOME password', word],
        ['Passphrase of', 'a phrase'],
      ],
    );
    for (const { code, text } of [byPassword, byKey]) {
      expect(code).toBe(0);
      expect(text.match(/\broot\b/g)).toHaveLength(3);
      expect(text).not.toContain(word);
      for (const asked of [/SSH password/g, /BECOME password/g, /Passphrase of/g]) {
        expect(text.match(asked)?.length ?? 0).toBeLessThan(2);
      }
    }
  });
});
