import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quote } from '../../src/connection/quote.ts';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { encrypt } from '../unit/inventory/ansible.ts';
import { runOnTerminal } from './on-terminal.ts';
import { type PlayResult, runPlay } from './play.ts';
import { type Watched, watchProcesses } from './process-watch.ts';

/** Each unlike all else on this machine, and with signs that shells, JSON and templates write in another way. */
const word = (name: string) => `${name}-${randomBytes(6).toString('hex')}'"$(x)\\é`;
const secrets = {
  log_in: word('log'),
  sudo: word('sudo'),
  wrongLogIn: word('wronglog'),
  wrongSudo: word('wrongsudo'),
  vault: `vault-${randomBytes(6).toString('hex')}`,
  wrongVault: `wrongvault-${randomBytes(6).toString('hex')}`,
  passphrase: `phrase-${randomBytes(6).toString('hex')}`,
  value: word('value'),
  inFile: word('infile'),
  hash: `$6$salt$${randomBytes(40).toString('hex')}`,
  pem: `-----BEGIN PRIVATE KEY-----\n${randomBytes(48).toString('base64')}\n${randomBytes(48).toString('base64')}\n-----END PRIVATE KEY-----\n`,
};

const HOSTS = ['h1', 'h2', 'h3'];
let lab: Lab;
let folder: string;
let watched: Watched;
const results: { name: string; result: PlayResult }[] = [];

const at = (name: string) => join(folder, name);
function put(name: string, text: string): string {
  mkdirSync(dirname(at(name)), { recursive: true });
  writeFileSync(at(name), text, { mode: 0o600 });
  return at(name);
}
const onAll = <T>(work: (host: string) => Promise<T>) => Promise.all(HOSTS.map(work));
const environment = () => ({ XDG_STATE_HOME: at('state'), XDG_CACHE_HOME: at('cache'), TMPDIR: at('tmp') });

const APP = `
import { blockInFile, file, lineInFile, play, playbook, renderTemplate, script, step, task, template, user } from 'etcd-play';

export default playbook({
  name: 'app', description: 'an application with passwords', hosts: 'etcd',
  plays: () => [play('App', { tasks: [
    task('Password is in place', ({ vars }) =>
      file({ path: '/srv/password', content: vars.get('app_password').value, mode: 0o600 })),
    task('Key is in place', ({ vars }) =>
      file({ path: '/srv/key.pem', content: vars.get('app').value.key, mode: 0o600 })),
    // Nobody said that it is secret: -D shows it.
    task('Settings are in place', ({ vars, run }) => {
      const words = { password: vars.get('app_password').value.reveal(), inner: vars.get('app').value.inner.reveal(), n: String(vars.get('n')?.value) };
      return file({ path: '/srv/settings', content: renderTemplate('settings.hbs', words, run.templateDirs), mode: 0o600 });
    }),
    task('Template is in place', ({ vars, run }) =>
      template({ template: 'settings.hbs', dirs: run.templateDirs, mode: 0o600, path: '/srv/template',
        vars: { password: vars.get('app_password').value, inner: vars.get('app').value.inner, n: String(vars.get('n')?.value) } })),
    task('Lines are in place', ({ vars }) => [
      file({ path: '/srv/lines', content: 'first\\n', mode: 0o600, keepForeign: 'first' }),
      lineInFile({ path: '/srv/lines', line: vars.get('app_password').value.reveal() }),
      blockInFile({ path: '/srv/lines', name: 'b', lines: vars.get('app').value.key.reveal().trim().split('\\n') }),
    ], { when: ({ vars }) => vars.get('n')?.value === '1' }),
    task('User is there', ({ vars }) => user({ name: 'app', system: true, password: vars.get('app').value.hash })),
    task('Script is run', ({ vars }) =>
      script({ name: 'of the app', text: 'x=' + JSON.stringify(vars.get('app').value.inner.reveal()).replace(/[$]/g, '.') + '\\n: "$x"\\nsleep ' + (vars.get('fail')?.value === 'late' ? 30 : 0), timeoutMs: vars.get('fail')?.value === 'late' ? 2_000 : 60_000 })),
    step('Program is told by its file', async ({ connect }) =>
      void (await (await connect()).run('cat /srv/settings | sha256sum; sleep 0.2'))),
    step('Program complains', async ({ connect, vars }) => {
      if (vars.get('fail')?.value !== 'complain') return { skipped: true };
      const { stderr, stdout } = await (await connect()).run('cat /srv/settings /srv/key.pem >&2; cat /srv/key.pem; exit 3');
      throw new Error('it said: ' + stderr + ' and ' + stdout.trim().split('\\n').join(' | '));
    }),
    step('Host is lost', async ({ host, connect, vars, run }) => {
      if (vars.get('fail')?.value !== 'lost' || host !== 'h3') return { skipped: true };
      const secret = vars.get('app').value.inner.reveal().replaceAll("'", "'\\\\''");
      run.say('under way');
      await (await connect()).run(": '" + secret + "'; sleep 30");
    }),
  ] })],
});
`;

function inventory(name: string, vars: Record<string, unknown>, hosts = HOSTS): string {
  const known = `-F none -o IdentityFile=none -o UserKnownHostsFile=${lab.knownHostsFile}`;
  const all = { ansible_user: 'careful', ansible_ssh_common_args: known, ...etcdVars('secrets', '3.5.16'), ...vars };
  const listed = Object.fromEntries(hosts.map((host) => [host, { ansible_host: lab.addressOf(host) }]));
  return put(`${name}/hosts.yml`, JSON.stringify({ etcd: { hosts: listed, vars: all } }));
}

async function run(name: string, ...args: string[]): Promise<PlayResult> {
  const result = await runPlay(args, { cwd: folder, env: environment() });
  results.push({ name, result });
  return result;
}

beforeAll(async () => {
  await ensureRelease('3.5.16');
  lab = await openLab({ name: 'secrets', hosts: HOSTS.length, suites: [12, 13], fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  mkdirSync(at('tmp'));
  put('playbooks/app.ts', APP);
  put('templates/settings.hbs', 'password={{password}}\ninner={{inner}}\nn={{n}}\n');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', secrets.passphrase, '-f', at('key')]);
  await onAll(async (host) => {
    const input = `careful:${secrets.log_in}\nroot:${secrets.sudo}\n`;
    await lab.exec(host, 'chpasswd', { input });
    // The password for sudo is another than that of the log-in.
    const sudoers = 'Defaults:careful rootpw\n';
    await lab.exec(host, 'cat >/etc/sudoers.d/rootpw && chmod 440 /etc/sudoers.d/rootpw', { input: sudoers });
    const add = 'cat >>/home/careful/.ssh/authorized_keys';
    await lab.exec(host, add, { input: readFileSync(at('key.pub'), 'utf8') });
  });
  put('vault-password', `${secrets.vault}\n`);
  put('wrong-vault-password', `${secrets.wrongVault}\n`);
  const valued = encrypt(secrets.value, at('vault-password'), { name: 'app_password' });
  const whole = encrypt(
    JSON.stringify({ app: { inner: secrets.inFile, key: secrets.pem, hash: secrets.hash } }),
    at('vault-password'),
    {},
  );
  for (const name of ['good', 'nosudo', 'nologin', 'asked']) {
    put(`${name}/group_vars/etcd/value.yml`, valued);
    put(`${name}/group_vars/etcd/whole.yml`, whole);
  }
  await everyRun();
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

/** All the ways of a run, while somebody looks at the processes. */
async function everyRun(): Promise<void> {
  const passwords = { ansible_password: secrets.log_in, ansible_become_password: secrets.sudo };
  const good = ['-i', inventory('good', passwords), '--vault-password-file', at('vault-password')];
  const watch = await watchProcesses(at('watched'));
  try {
    await run('create: check', 'create_etcd', ...good, '-C', '-D', '-vvv');
    await run('create', 'create_etcd', ...good, '-D', '-v');
    await run('create: again, JSON', 'create_etcd', ...good, '-D', '--output', 'json');
    await run('app: check', 'app', ...good, '-C', '-D', '-e', 'n=1');
    await run('app', 'app', ...good, '-D', '-vv', '-e', 'n=1');
    await run('app: JSON', 'app', ...good, '-D', '--output', 'json', '-vvv', '-e', 'n=2');
    await run('ping', 'ping', 'all', '-b', ...good, '-vvv');
    await run('exec', 'exec', 'all', '-b', ...good, '-vvv', '--', 'cat /srv/settings /srv/password /srv/key.pem');
    await run(
      'inventory',
      'inventory',
      '-i',
      inventory('asked', {}),
      '--vault-password-file',
      at('vault-password'),
      '--list',
    );
    for (const [name, output] of [
      ['lines', 'lines'],
      ['JSON', 'json'],
    ] as const) {
      await run(
        `complains, ${name}`,
        'app',
        ...good,
        '-D',
        '-vvv',
        '--output',
        output,
        '-e',
        'fail=complain',
        '-e',
        'n=3',
      );
    }
    await run('takes too long', 'app', ...good, '-e', 'fail=late', '-vvv');
    await run('wrong vault', 'app', ...good.slice(0, 2), '--vault-password-file', at('wrong-vault-password'), '-vvv');
    const nosudo = inventory('nosudo', { ...passwords, ansible_become_password: secrets.wrongSudo });
    await run('wrong sudo', 'app', '-i', nosudo, ...good.slice(2), '-vvv');
    const nologin = inventory('nologin', { ...passwords, ansible_password: secrets.wrongLogIn });
    await run('wrong log-in', 'app', '-i', nologin, ...good.slice(2), '--output', 'json');

    const asked = inventory('asked', {});
    const typed = await runOnTerminal(
      ['app', '-i', asked, '-k', '-K', '-J', '-D', '-e', 'n=4'],
      [
        ['Vault password: ', secrets.vault],
        ['SSH password: ', secrets.log_in],
        ['BECOME password', secrets.sudo],
      ],
      { cwd: folder, env: environment() },
    );
    results.push({ name: 'typed', result: typed });
    const keyed = await runOnTerminal(
      ['app', '-i', asked, '--private-key', at('key'), '-K', '--vault-password-file', at('vault-password'), '-D'],
      [
        ['BECOME password', secrets.sudo],
        ['Passphrase of', secrets.passphrase],
      ],
      { cwd: folder, env: environment() },
    );
    results.push({ name: 'passphrase', result: keyed });

    let killed: Promise<void> | undefined;
    const lost = await runPlay(['app', ...good, '-e', 'fail=lost', '-vvv'], {
      cwd: folder,
      env: environment(),
      onLine: (line) => {
        if (line === 'under way') killed ??= lab.kill('h3', { silent: true });
      },
    });
    results.push({ name: 'lost host', result: lost });
    await killed;
    await lab.start('h3');
    await run('runs', 'runs');
    const [last] = readdirSync(at('state/etcd-play/runs')).sort().reverse();
    await run('runs show', 'runs', 'show', last!.replace('.jsonl', ''));
  } finally {
    watched = await watch.end();
  }
}

/** A secret in all the ways it may have been written down. */
function forms(secret: string): string[] {
  const bytes = Buffer.from(secret);
  const base64 = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // What stands at the ends depends on the bytes beside it.
    return text.slice(shift === 0 ? 0 : shift + 1, -2);
  });
  const escaped = JSON.stringify(secret).slice(1, -1);
  const all = [
    secret,
    bytes.toString('latin1'),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    ...base64,
    ...base64.map((one) => one.replaceAll('+', '-').replaceAll('/', '_')),
    encodeURIComponent(secret),
    quote(secret),
    escaped,
    escaped.replace(/[^ -~]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`),
    secret.replaceAll('"', '&quot;').replaceAll("'", '&#x27;'),
  ];
  return [...new Set(all)];
}

/** What must stand nowhere: a random part of each, so that any way of quoting the rest is found as well. */
function needles(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, secret] of Object.entries(secrets)) {
    const lines = name === 'pem' ? secret.split('\n').slice(1, 3) : [secret];
    found.set(name, [...lines.flatMap(forms), ...lines.flatMap((line) => line.match(/[a-z]+-[0-9a-f]{12}/g) ?? [])]);
  }
  for (const name of readdirSync(lab.pkiDir).filter((one) => one.endsWith('-key.pem'))) {
    const [, first = '', second = ''] = readFileSync(join(lab.pkiDir, name), 'utf8').split('\n');
    found.set(name, [first, second].flatMap(forms));
  }
  return found;
}

function heldBy(text: string): string[] {
  return [...needles()].filter(([, all]) => all.some((one) => text.includes(one))).map(([name]) => name);
}

/** All files below a folder, with what they hold. */
function* filesBelow(path: string): Generator<[string, string]> {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) yield* filesBelow(below);
    else if (entry.isFile() && statSync(below).size < 50e6) yield [below, readFileSync(below, 'latin1')];
  }
}

const resultOf = (name: string) => results.find((one) => one.name === name)!.result;

describe('runs with passwords, vaults and keys', () => {
  it.each([
    ['create: check', 0, /would change/],
    ['create', 0, /changed: \[h1\] Certificates are in place/],
    ['create: again, JSON', 0, /"run-end"/],
    ['app: check', 0, /would change: \[h1\] Password is in place/],
    ['app', 0, /\+password=\*\*\*/],
    ['app: JSON', 0, /password=\*\*\*/],
    ['ping', 0, /root on h3/],
    ['exec', 0, /password=\*\*\*/],
    ['inventory', 0, /__ansible_vault/],
    ['complains, lines', 2, /it said: password=\*\*\*/],
    ['complains, JSON', 2, /it said: password=\*\*\*/],
    ['takes too long', 2, /longer than \d+ s/],
    ['wrong vault', 1, /does not open this vault/],
    ['wrong sudo', 2, /sudo refused the password/],
    ['wrong log-in', 4, /refused/],
    ['typed', 0, /\+n=4/],
    ['passphrase', 0, /Passphrase of/],
    ['lost host', 4, /unreachable/],
    ['runs', 0, /create_etcd/],
    ['runs show', 0, /Host is lost/],
  ])('%s: went as it was meant to', (name, code, words) => {
    const { text, ...result } = resultOf(name);
    expect(result.code, text).toBe(code);
    expect(text).toMatch(words);
  });
});

describe('no secret stands', () => {
  it('in what was printed, whatever the output and however much is said', () => {
    for (const { name, result } of results) expect([name, heldBy(result.text)]).toEqual([name, []]);
  });

  it('in the arguments or the environment of a process, here or on a host', () => {
    expect(watched.rounds).toBeGreaterThan(100);
    const all = watched.texts.join('\n');
    // What must have been seen: sudo on the hosts, and the run itself.
    expect(all).toMatch(/sudo\0-S\0-p\0ask-/);
    expect(all).toMatch(/create_etcd\0-i\0/);
    expect(watched.texts.flatMap((text) => heldBy(text).map((name) => [name, text]))).toEqual([]);
  });

  it('in the records of the runs', () => {
    const records = [...filesBelow(at('state'))];
    expect(records.length).toBeGreaterThan(12);
    for (const [path, text] of records) expect([path, heldBy(text)]).toEqual([path, []]);
  });

  it('in what the runs left on this machine beside what they were given', () => {
    for (const part of ['tmp', 'cache', 'state']) {
      for (const [path, text] of filesBelow(at(part))) expect([path, heldBy(text)]).toEqual([path, []]);
    }
  });

  it('in the journals, logs and files of the hosts, but for the files that hold them on purpose', async () => {
    // A search for the random part of each finds it however the rest was quoted.
    const patterns = [...needles().values()].flat().filter((one) => one.length >= 12 && !one.includes('\n'));
    const input = `${[...new Set(patterns)].join('\n')}\n`;
    const places = '/etc /var /root /home /tmp /run /srv /opt /usr/local /dev/shm';
    const search = `cat >/dev/shm/needles; { journalctl --no-pager -o export; journalctl --no-pager; dmesg; } 2>/dev/null | grep -aF -f /dev/shm/needles | head -n 5; grep -rlaF -D skip --exclude=needles -f /dev/shm/needles ${places} 2>/dev/null; rm /dev/shm/needles`;
    const found = await onAll(async (host) =>
      (await lab.exec(host, search, { input })).stdout.trim().split('\n').sort(),
    );
    const meant = [
      '/etc/etcd/cert/etcd-client-key.pem',
      '/etc/etcd/cert/etcd-peer-key.pem',
      '/etc/etcd/cert/etcd-server-key.pem',
      '/etc/shadow',
      '/srv/key.pem',
      '/srv/lines',
      '/srv/password',
      '/srv/settings',
      '/srv/template',
    ];
    expect(found).toEqual(HOSTS.map(() => meant));
  });

  it('and would be found if it did', async () => {
    const control = `control-${randomBytes(6).toString('hex')}`;
    const watch = await watchProcesses(at('control'));
    await lab.exec('h1', `CONTROL=${control} sleep 0.3; logger 'heard of ${control}'`);
    const { texts } = await watch.end();
    expect(texts.filter((text) => text.includes(control)).length).toBeGreaterThan(1);
    expect(
      (await lab.exec('h1', `journalctl --sync; journalctl --no-pager | grep -c 'heard of ${control}'`)).stdout,
    ).toBe('1\n');
    appendFileSync(at('state/record'), forms(secrets.value)[4]!);
    expect([...filesBelow(at('state'))].flatMap(([, text]) => heldBy(text))).toEqual(['value']);
  });
});
