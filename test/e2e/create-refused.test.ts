import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { copyFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import type { InventoryOptions } from '../lab/inventory.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { releasesDir } from '../lab/places.ts';
import { type ReleaseServer, serveReleases } from '../lab/release-server.ts';
import { ensureRelease } from '../lab/releases.ts';
import { carefulPassword } from '../lab/users.ts';
import { makeOpensslCa, openssl } from '../unit/pki/workshop.ts';
import { type PlayResult, runPlay } from './play.ts';
import { OwnClock } from './standstill.ts';
import { etcdctl, fingerprint, membersSeenBy } from './witness.ts';

/** What a user gets wrong, or finds in disorder: each time its own message, its exit code, and nothing touched. */

const VERSION = '3.5.16';
const ARCHIVE = `etcd-v${VERSION}-linux-amd64.tar.gz`;
const MIB = 1024 ** 2;
const WRONG_PASSWORD = 'not-the-password-of-careful';

let lab: Lab;
let folder: string;
let server: ReleaseServer;
/** The address of a server that is gone. */
let nowhere: string;
/** Everything that any run of this file has printed. */
const printed: string[] = [];

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: 'refused', hosts: 3, fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'create-refused-'));
  server = await serveReleases(releasesDir);
  const gone = await serveReleases(releasesDir);
  await gone.close();
  nowhere = gone.url;
});
afterAll(async () => {
  await server?.close();
  await lab?.down();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** What a test has put on a host is undone after it, the last first. */
const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

/** Runs a command line on a host and expects it to work; `after` undoes it at the end of the test. */
async function on(host: string, line: string, after?: string): Promise<string> {
  if (after) undo.push(() => on(host, after));
  const { code, stdout, stderr } = await lab.exec(host, line);
  expect(code, `${line}: ${stderr}`).toBe(0);
  return stdout;
}

let inventories = 0;
/** An inventory of the lab, of its first three hosts when not said otherwise. */
async function inventory({ vars, ...rest }: InventoryOptions = {}): Promise<string> {
  const path = join(folder, `hosts-${++inventories}.ini`);
  await lab.writeInventory(path, { hosts: ['h1', 'h2', 'h3'], ...rest, vars: { ...etcdVars('refused'), ...vars } });
  return path;
}

async function play(words: readonly string[]): Promise<PlayResult> {
  const result = await runPlay(words, { cwd: folder });
  printed.push(`$ play ${words.join(' ')}\n${result.text}`);
  return result;
}

const create = (path: string, ...words: string[]) => play(['create_etcd', '-i', path, ...words]);

/** Everything on the hosts that are up, and the certificates here, that a run might have changed. */
async function everything(): Promise<string[]> {
  const up = (await lab.status()).filter((host) => host.running).map(({ name }) => name);
  const pki = existsSync(lab.pkiDir)
    ? readdirSync(lab.pkiDir).map((name) => `${name}\n${readFileSync(join(lab.pkiDir, name), 'utf8')}`)
    : ['none'];
  return [...(await Promise.all(up.map((host) => fingerprint(lab, host)))), ...pki];
}

/** Runs `play`, which must leave every host and the certificates as they were. */
async function untouched(run: () => Promise<PlayResult>): Promise<PlayResult> {
  const before = await everything();
  expect(before[0], 'a fingerprint shows the files of a host').toContain('/etc/systemd/system');
  const result = await run();
  expect(await everything(), result.text).toEqual(before);
  return result;
}

/** The run ended with this code and printed all these lines, each as it stands. */
function expectEnd(result: PlayResult, code: number, ...lines: string[]): void {
  for (const line of lines) expect(result.text).toContain(line);
  expect(result.code, result.text).toBe(code);
  expect(result.text).not.toMatch(/unexpected|fault of the playbook|^ {4}at /m);
}

describe('the command line', () => {
  const cases: [string, () => Promise<string[]> | string[], string[]][] = [
    [
      'an inventory that does not exist',
      () => ['create_etcd', '-i', '/no/such/hosts.ini'],
      ['ERROR /no/such/hosts.ini: The inventory does not exist', '→ Correct the path after -i'],
    ],
    ['no inventory', () => ['create_etcd'], ['ERROR no inventory was given', '→ Say: play create_etcd -i hosts.ini']],
    ['-i without a file', () => ['create_etcd', '-i'], ['ERROR -i needs a value', '→ See: play --help']],
    ['no playbook', () => [], ['ERROR no playbook was named', '→ See: play --help']],
    [
      'an option that does not exist',
      async () => ['create_etcd', '-i', await inventory(), '--chek'],
      ['ERROR Unknown argument: chek', '→ See: play --help'],
    ],
    [
      'a playbook that does not exist',
      async () => ['create_etdc', '-i', await inventory()],
      ['ERROR there is no playbook create_etdc', '→ Did you mean create_etcd? There are: '],
    ],
    [
      'a host in -l that the inventory does not have',
      async () => ['create_etcd', '-i', await inventory(), '-l', 'h9'],
      ["ERROR No host and no group is named 'h9'", '→ '],
    ],
    [
      'an inventory without the group etcd',
      async () => ['create_etcd', '-i', await inventory({ group: 'web' })],
      ["ERROR create_etcd is for the hosts of 'etcd', and the inventory names none", '→ Put its hosts under [etcd].'],
    ],
  ];
  for (const [name, words, lines] of cases) {
    it(`${name} is an error of usage, and no host is touched`, async () => {
      const result = await untouched(async () => play(await words()));
      expectEnd(result, 1, ...lines);
      expect(result.stdout).toBe('');
    });
  }

  it('a line of the inventory that cannot be read is named by file and line', async () => {
    const path = join(folder, 'broken.ini');
    await writeFile(path, '[etcd]\nh1 ansible_host=192.0.2.11\nh2 ansible_host="192.0.2.12\n');
    expectEnd(await create(path), 1, `ERROR ${path}:3: `, 'a double quote is not closed');
  });
});

describe('the variables', () => {
  it('are complained of all at once, each by file and line, and no host is touched', async () => {
    const path = await inventory({
      vars: { ETCD_HEARTBEET_INTERVAL: '100', ETCD_PEER_PORT: '70000', ETCD_CLIENT_PORT: 'http' },
    });
    const lineOf = (name: string) =>
      readFileSync(path, 'utf8')
        .split('\n')
        .findIndex((line) => line.startsWith(name)) + 1;
    const result = await untouched(() => create(path));
    expectEnd(
      result,
      1,
      `${path}:${lineOf('ETCD_HEARTBEET')}: ETCD_HEARTBEET_INTERVAL is no variable of etcd-play`,
      '→ Did you mean ETCD_HEARTBEAT_INTERVAL?',
      `${path}:${lineOf('ETCD_PEER_PORT')}: ETCD_PEER_PORT must be a whole number from 1 to 65535, not 70000`,
      `${path}:${lineOf('ETCD_CLIENT_PORT')}: ETCD_CLIENT_PORT must be a whole number from 1 to 65535, not "http"`,
    );
  });

  it('may not give two hosts one address', async () => {
    const path = await inventory();
    const text = readFileSync(path, 'utf8').replace(lab.addressOf('h2'), lab.addressOf('h1'));
    await writeFile(path, text);
    const result = await untouched(() => create(path));
    expectEnd(result, 1, `h2 and h1 have the same address: ${lab.addressOf('h1')}`, '→ Each must be a host of its own');
  });

  it('an even number of members is a warning, not an error', async () => {
    const path = await inventory({ hosts: ['h1', 'h2'] });
    const result = await untouched(() => create(path, '-C'));
    expectEnd(result, 0, 'WARNING 2 is an even number of members', '3 or 5 are advised', 'PLAN form a cluster of 2');
  });
});

describe('check mode on fresh hosts', () => {
  it('prints the plan, and touches neither the hosts nor this machine', async () => {
    const path = await inventory();
    const result = await untouched(() => create(path, '-C', '-D'));
    expectEnd(
      result,
      0,
      'PLAN form a cluster of 3',
      '+++ /etc/etcd/etcd.conf',
      'would change: [h3] Release is installed',
    );
    expect(existsSync(lab.pkiDir)).toBe(false);
  });

  it('ends as the run itself would end: -l that leaves out hosts of a cluster to be formed is refused', async () => {
    const path = await inventory();
    for (const words of [
      ['-l', 'h1', '-C'],
      ['-l', 'h1'],
    ]) {
      const result = await untouched(() => create(path, ...words));
      expectEnd(
        result,
        2,
        'ERROR [Plan is made] Refused, and nothing was changed:',
        'a cluster is formed by all its hosts together, and -l leaves out h2, h3',
        '→ Run without -l',
      );
    }
  });
});

describe('the way in', () => {
  const strict = (knownHosts: string) => ({
    ansible_ssh_common_args: `-o UserKnownHostsFile=${knownHosts} -o StrictHostKeyChecking=yes -o ConnectTimeout=2`,
  });

  it('hosts that refuse and hosts that are silent are named, with the complaints about all the others', async () => {
    await lab.kill('h2');
    await lab.kill('h3', { silent: true });
    await on('h1', 'mkdir /var/lib/etcd && echo mine >/var/lib/etcd/notes.txt', 'rm -r /var/lib/etcd');
    const path = await inventory({ vars: strict(lab.knownHostsFile) });
    const clock = new OwnClock();
    let tookMs = 0;
    const result = await untouched(async () => {
      const started = clock.now();
      const made = await create(path);
      tookMs = clock.now() - started;
      return made;
    });
    await Promise.all([lab.start('h2'), lab.start('h3')]);
    expectEnd(
      result,
      4,
      'ERROR h1: [Host is looked at] /var/lib/etcd is not empty',
      `ERROR h2: [Host is looked at] ${lab.addressOf('h2')}:22 refuses connections`,
      `ERROR h3: [Host is looked at] ${lab.addressOf('h3')}:22 `,
      '→ Check that the host is up and that sshd listens on port 22 there.',
    );
    expect(result.text).toMatch(/ERROR h3: .*(did not answer within 2 s|no route to host)/);
    expect(result.text).toMatch(/^h2 +: ok=0 +changed=0 +unreachable=1/m);
    expect(tookMs).toBeLessThan(8_000);
  });

  it('a host key that has changed, and one that is unknown, end the run before anything is sent', async () => {
    const lines = readFileSync(lab.knownHostsFile, 'utf8').split('\n');
    const keyOf = (host: string) => lines.filter((line) => line.startsWith(`${lab.addressOf(host)},`));
    const path = join(folder, 'known_hosts');
    const wrong = keyOf('h1').map((line) => line.replace(lab.addressOf('h1'), lab.addressOf('h2')));
    await writeFile(path, [...keyOf('h1'), ...wrong, ''].join('\n'));
    const result = await untouched(async () => create(await inventory({ vars: strict(path) })));
    expectEnd(
      result,
      4,
      `ERROR h2: [Host is looked at] ${path}:${keyOf('h1').length + 1}: the host key of ${lab.addressOf('h2')} has changed`,
      '→ Someone may be listening in, or the host was set up anew.',
      `ERROR h3: [Host is looked at] the host key of ${lab.addressOf('h3')} is not known`,
      `→ Compare the key, then add it: ssh-keyscan -p 22 ${lab.addressOf('h3')} >> ${path}`,
    );
    expect(result.text).not.toContain('ERROR h1');
    expect(readFileSync(path, 'utf8')).not.toContain(lab.addressOf('h3'));
  });

  it('a user who may not use sudo is refused', async () => {
    const result = await untouched(async () => create(await inventory({ user: 'nosudo' })));
    expectEnd(
      result,
      2,
      'ERROR h1, h2, h3: [Host is looked at] nosudo may not become root by sudo without a password',
      'or give the user password-less sudo rights.',
    );
  });

  it('a user with a password but without rights is told apart', async () => {
    const word = 'a-word-of-nosudo';
    await on('h1', `echo nosudo:${word} | chpasswd`, 'passwd -q -d nosudo; passwd -q -l nosudo');
    const path = await inventory({ hosts: ['h1'], user: 'nosudo', vars: { ansible_become_password: word } });
    const result = await untouched(() => create(path));
    expectEnd(
      result,
      2,
      'ERROR h1: [Host is looked at] nosudo has no sudo rights on this host',
      '→ Give nosudo the right',
    );
    expect(result.text).not.toContain(word);
  });

  it('a user whose sudo asks for a password, where none was given, is refused', async () => {
    const result = await untouched(async () => create(await inventory({ user: 'careful' })));
    expectEnd(
      result,
      2,
      'ERROR h1, h2, h3: [Host is looked at] careful may not become root by sudo without a password',
      '→ Give the password with -K or ansible_become_password',
    );
  });

  it('a wrong sudo password is tried once on each host and never again', async () => {
    const attempts = async (host: string) => {
      const log = await on(host, 'journalctl --sync; journalctl -q --no-pager -o cat -t sudo');
      const failures = log.match(/authentication failure;.*user=careful/g)?.length ?? 0;
      return [failures, log.match(/careful : 1 incorrect password attempt/g)?.length ?? 0];
    };
    const path = await inventory({ user: 'careful', vars: { ansible_become_password: WRONG_PASSWORD } });
    const result = await untouched(() => create(path));
    expectEnd(
      result,
      2,
      'ERROR h1, h2, h3: [Host is looked at] sudo refused the password of careful',
      '→ It was tried once and not again.',
    );
    for (const host of ['h1', 'h2', 'h3']) {
      // sudo notes it once it has read to the end what it was given.
      await expect.poll(() => attempts(host).then(([, noted]) => noted), { message: host }).toBeGreaterThan(0);
      expect(await attempts(host), host).toEqual([1, 1]);
    }
  });

  it('-K without a terminal is an error, and does not wait for ever', async () => {
    const result = await untouched(async () => create(await inventory({ user: 'careful' }), '-K'));
    expectEnd(
      result,
      1,
      'ERROR a password is to be asked for, but there is no terminal',
      '→ Set ansible_become_password in the inventory',
    );
  });
});

/** Something that makes a host unfit: how it comes there, and how it goes. */
const disorder = {
  portTaken: (host: string) =>
    on(
      host,
      'systemd-run -q --unit=squatter python3 -m http.server 2379 && until ss -Hltn sport = :2379 | grep -q .; do :; done',
      'systemctl stop squatter',
    ),
  smallDisk: async (host: string, path: string) => {
    undo.push(() => on(host, `umount ${path}${path === '/opt' ? '' : ` && rmdir ${path}`}`));
    await lab.smallDisk(host, path, 32 * MIB);
  },
  foreignData: (host: string) =>
    on(host, 'mkdir /var/lib/etcd && echo mine >/var/lib/etcd/notes.txt', 'rm -r /var/lib/etcd'),
  /** The lab's hosts share one clock, so it is faked by what `play` reads on the host: a `date` early in its PATH. */
  clock: (host: string, seconds: number) =>
    on(
      host,
      `printf '#!/bin/sh\\nexec /usr/bin/date -d "+${seconds} seconds" "$@"\\n' >/usr/local/bin/date && chmod 755 /usr/local/bin/date`,
      'rm -f /usr/local/bin/date',
    ),
};

describe('hosts that are not fit', () => {
  const refusedOn = async (...lines: string[]) => {
    const result = await untouched(async () => create(await inventory()));
    expectEnd(result, 2, ...lines);
    expect(existsSync(lab.pkiDir)).toBe(false);
    return result;
  };

  it('a port that another program has is named, with its variable', async () => {
    await disorder.portTaken('h2');
    await refusedOn(
      'ERROR h2: [Host is looked at] port 2379 is taken by another program',
      '→ Stop it there (ss -ltnp), or choose another ETCD_CLIENT_PORT.',
    );
  });

  it('a disk too small for the release, and one too small for the data, are found before they are full', async () => {
    await disorder.smallDisk('h1', '/opt');
    await disorder.smallDisk('h3', '/var/lib/etcd');
    await refusedOn(
      `ERROR h1: [Host is looked at] 32 MiB are free for /opt/etcd/v${VERSION}, 200 MiB are needed`,
      'ERROR h3: [Host is looked at] 32 MiB are free for /var/lib/etcd, 400 MiB are needed',
      '→ Make room there, or put the directory on another disk.',
    );
  });

  it('two hosts with one machine-id are one machine or copies of one', async () => {
    const id = (await on('h1', 'cat /etc/machine-id')).trim();
    const own = (await on('h3', 'cat /etc/machine-id')).trim();
    await on('h3', `echo ${id} >/etc/machine-id`, `echo ${own} >/etc/machine-id`);
    await refusedOn('ERROR [Hosts are judged together] h1 and h3 have the same machine-id', '→ Name each machine once');
  });

  it('a clock that is far off is refused, and one that is a little off is a warning', async () => {
    await disorder.clock('h2', 90);
    const result = await refusedOn('→ Set the clocks right (chrony, systemd-timesyncd) and run again.');
    aheadBy(result, 90, /ERROR \[Hosts are judged together\] the clock of h2 is at least (\d+\.\d) s ahead of/);
    await disorder.clock('h2', 20);
    const warned = await untouched(async () => create(await inventory(), '-C'));
    expect(warned.code, warned.text).toBe(0);
    aheadBy(warned, 20, /WARNING the clock of h2 is at least (\d+\.\d) s ahead of that of h[13]: set the clocks/);
  });

  /** What it is at least: never more, and less by no more than looking took. */
  function aheadBy({ text, durationMs }: PlayResult, seconds: number, said: RegExp): void {
    const least = Number(said.exec(text)?.[1]);
    expect(least, text).toBeLessThanOrEqual(seconds + 0.1);
    expect(least, text).toBeGreaterThan(seconds - durationMs / 1000);
  }

  it('a data directory with files of somebody else is left alone', async () => {
    await disorder.foreignData('h3');
    await refusedOn(
      "ERROR h3: [Host is looked at] /var/lib/etcd is not empty and not etcd's (notes.txt)",
      '→ Nothing was deleted. Choose another ETCD_DATA_DIR',
    );
  });

  it('data of an etcd that etcd-play did not set up are left alone', async () => {
    const data = 'mkdir -p /var/lib/etcd/member/wal /var/lib/etcd/member/snap && cd /var/lib/etcd/member';
    const make = `${data} && : >wal/0000000000000000-0000000000000000.wal && : >snap/db`;
    await on('h1', make, 'rm -r /var/lib/etcd');
    // On the other host with settings in our own place, and with the token that most documents use.
    const settings = 'ETCD_DATA_DIR=/var/lib/etcd\\nETCD_INITIAL_CLUSTER_TOKEN=etcd-cluster\\n';
    await on(
      'h2',
      `${make} && mkdir /etc/etcd && printf '${settings}' >/etc/etcd/etcd.conf`,
      'rm -r /var/lib/etcd /etc/etcd',
    );
    const result = await refusedOn(
      'h1: /var/lib/etcd holds data of an etcd that etcd-play did not set up',
      'h2: /var/lib/etcd holds data of an etcd that etcd-play did not set up',
      '→ Nothing was touched. Move it aside',
    );
    expect(result.text).not.toContain('was begun here');
  });

  it('an etcd.service of somebody else that runs is left running', async () => {
    const file = '/etc/systemd/system/etcd.service';
    const text = '[Service]\\nExecStart=/bin/sleep infinity\\n';
    await on(
      'h2',
      `printf '${text}' >${file} && systemctl daemon-reload && systemctl start etcd`,
      `systemctl stop etcd; rm ${file}; systemctl daemon-reload`,
    );
    await refusedOn(
      `h2: an etcd.service that etcd-play did not set up runs here (${file})`,
      '→ Nothing was touched. Stop and disable it',
    );
    expect(await on('h2', 'systemctl is-active etcd')).toBe('active\n');
  });

  it('a binary that somebody else put where the links go is found before anything is changed', async () => {
    await on('h3', 'printf x >/usr/local/bin/etcdctl', 'rm /usr/local/bin/etcdctl');
    await refusedOn(
      'ERROR h3: [Host is looked at] /usr/local/bin/etcdctl is a file that etcd-play did not put there',
      '→ Move it aside',
    );
  });

  it('all complaints about all hosts are shown in one run, in the order of the inventory', async () => {
    await disorder.portTaken('h1');
    await disorder.foreignData('h1');
    await disorder.smallDisk('h2', '/opt');
    await disorder.clock('h3', 3600);
    const result = await refusedOn(
      'ERROR h1: [Host is looked at] 2 things must be put right first:',
      '  port 2379 is taken by another program',
      "  /var/lib/etcd is not empty and not etcd's",
      'ERROR h2: [Host is looked at] 32 MiB are free',
      'ERROR [Hosts are judged together] the clock of h3 is at least 3',
    );
    const places = ['ERROR h1:', 'ERROR h2:', 'ERROR [Hosts'].map((word) => result.text.indexOf(word));
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });
});

describe('the CA on this machine', () => {
  const pki = async (name: string): Promise<string> => {
    const dir = join(folder, name);
    await mkdir(dir);
    return dir;
  };
  const refusedWith = async (dir: string, ...lines: string[]) => {
    const result = await untouched(async () => create(await inventory({ vars: { CERT_LOCAL_DIR: dir } })));
    expectEnd(result, 1, ...lines);
    expect(result.stdout).toBe('');
  };

  it('is refused when it has expired', async () => {
    const dir = await pki('expired');
    makeOpensslCa(dir);
    const [cert, key] = [join(dir, 'ca.pem'), join(dir, 'ca-key.pem')];
    openssl('x509', '-in', cert, '-signkey', key, '-days', '-1', '-out', cert);
    await refusedWith(dir, `ERROR ${cert}: the CA expired on 20`, '→ Check the clock of this machine.');
    expect(readdirSync(dir).sort()).toEqual(['ca-key.pem', 'ca.pem']);
  });

  it('is refused without its key', async () => {
    const dir = await pki('keyless');
    makeOpensslCa(dir);
    rmSync(join(dir, 'ca-key.pem'));
    await refusedWith(dir, "the CA's certificate is here, but its key is not", '→ Put the key beside it as ca-key.pem');
    expect(readdirSync(dir)).toEqual(['ca.pem']);
  });

  it('is refused with the key of another', async () => {
    const [dir, other] = [await pki('mixed'), await pki('other')];
    makeOpensslCa(dir);
    makeOpensslCa(other);
    await copyFile(join(other, 'ca-key.pem'), join(dir, 'ca-key.pem'));
    await refusedWith(
      dir,
      'does not belong to this CA certificate',
      '→ Put the certificate and the key of one CA there.',
    );
  });
});

describe('the release', () => {
  /** A cache with the release, or with nothing. */
  const cache = async (name: string, filled: boolean): Promise<{ dir: string; archive: string }> => {
    const dir = join(folder, name);
    const own = join(dir, `v${VERSION}`);
    await mkdir(own, { recursive: true });
    if (filled) {
      symlinkSync(join(releasesDir, `v${VERSION}`, 'SHA256SUMS'), join(own, 'SHA256SUMS'));
      await copyFile(join(releasesDir, `v${VERSION}`, ARCHIVE), join(own, ARCHIVE));
    }
    return { dir, archive: join(own, ARCHIVE) };
  };
  const refusedWith = async (vars: Record<string, string>, ...lines: string[]) => {
    const result = await untouched(async () => create(await inventory({ vars })));
    expectEnd(result, 1, ...lines);
    expect(existsSync(lab.pkiDir)).toBe(false);
  };

  it('is refused when its file was cut short, and the file is left as it is', async () => {
    const { dir, archive } = await cache('cut', true);
    await truncate(archive, 5 * MIB);
    await refusedWith(
      { ETCD_RELEASE_DIR: dir, ETCD_RELEASE_URL: nowhere },
      `ERROR [Release is at hand] ${archive} is cut short: sha256 `,
      `${5 * MIB} bytes`,
      '→ It was left as it is. Delete it, and the next run downloads it',
    );
    expect((await readFile(archive)).length).toBe(5 * MIB);
  });

  it('is refused when its sum is wrong', async () => {
    const { dir, archive } = await cache('wrong', true);
    const bytes = await readFile(archive);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(archive, bytes);
    await refusedWith(
      { ETCD_RELEASE_DIR: dir, ETCD_RELEASE_URL: nowhere },
      `ERROR [Release is at hand] ${archive} has the wrong sum: sha256 `,
      '→ It was left as it is.',
    );
  });

  it('is missed when it is neither here nor can be downloaded', async () => {
    const { dir } = await cache('nowhere', false);
    await refusedWith(
      { ETCD_RELEASE_DIR: dir, ETCD_RELEASE_URL: nowhere },
      `ERROR [Release is at hand] ${nowhere}/v${VERSION}/SHA256SUMS cannot be reached: the connection was refused`,
      `→ Put ${ARCHIVE} and its SHA256SUMS into ${dir}`,
      'or set ETCD_RELEASE_URL.',
    );
  });

  it('is never kept from a download that was damaged on its way', async () => {
    const { dir } = await cache('damaged', false);
    const url = `${server.url}/v${VERSION}/${ARCHIVE}`;
    for (const [damage, line] of [
      [{ status: 404 }, `${url} is not there (404)`],
      [{ status: 503 }, `${url} was not given: 503`],
      [{ cutAfterBytes: 3 * MIB }, `${url} was cut short after `],
      [{ shortenToBytes: 3 * MIB }, `${url} has the wrong sum: sha256 `],
      [{ flipByteAt: 9 * MIB }, `${url} has the wrong sum: sha256 `],
    ] as const) {
      server.damage('.tar.gz', damage);
      await refusedWith(
        { ETCD_RELEASE_DIR: dir, ETCD_RELEASE_URL: server.url },
        `ERROR [Release is at hand] ${line}`,
        `Put ${ARCHIVE} and its SHA256SUMS into ${dir}`,
      );
      expect(readdirSync(join(dir, `v${VERSION}`)), JSON.stringify(damage)).toEqual(['SHA256SUMS']);
    }
    server.damage('.tar.gz', undefined);
  });
});

describe('a disk that is full while the release is unpacked', () => {
  it('fails that host with the reason, starts nothing, and leaves nothing half unpacked', async () => {
    // Enough bytes and too few files: the look cannot see it, and the end is the same "No space left on device".
    await on('h2', 'mount -t tmpfs -o size=300m,nr_inodes=7 full /opt');
    // A unit of somebody else that does not run is no hindrance, and no loss either.
    await on('h1', 'echo "# of somebody else" >/etc/systemd/system/etcd.service');
    const dir = join(folder, 'downloaded');
    const path = await inventory({ vars: { ETCD_RELEASE_DIR: dir, ETCD_RELEASE_URL: server.url } });
    const result = await create(path);
    expectEnd(
      result,
      2,
      'ERROR h2: [Release is installed] archive ',
      'No space left on device',
      '→ Make room on that disk',
    );
    expect(result.text).not.toMatch(/ERROR h[13]/);
    for (const host of ['h1', 'h2', 'h3']) {
      expect((await lab.exec(host, 'systemctl is-active etcd')).stdout).toBe('inactive\n');
    }
    expect(await on('h2', 'ls -A /opt/etcd')).toBe('');
    expect(readdirSync(join(dir, `v${VERSION}`)).sort()).toEqual(['SHA256SUMS', ARCHIVE]);
    await on('h2', 'umount /opt');
  });

  it('is no hindrance once there is room: the same command makes the cluster', async () => {
    const before = server.requests.length;
    const vars = { ETCD_RELEASE_DIR: join(folder, 'downloaded'), ETCD_RELEASE_URL: server.url };
    expectEnd(await create(await inventory({ vars })), 0, 'Cluster ');
    expect(server.requests.length, 'downloaded once, and not again').toBe(before);
    expect(await on('h1', 'cat /etc/systemd/system/etcd.service.before-etcd-play')).toBe('# of somebody else\n');
    expect((await membersSeenBy(lab, 'h2')).map(({ name }) => name)).toEqual(['etcd-h1', 'etcd-h2', 'etcd-h3']);
  });
});

describe('on a cluster that has formed', () => {
  const refused = async (path: string, words: string[], ...lines: string[]) => {
    const result = await untouched(() => create(path, ...words));
    expectEnd(result, 2, 'ERROR [Plan is made] Refused, and nothing was changed:', ...lines);
    return result;
  };

  it('a further host is refused and add_etcd is named', async () => {
    await lab.add('h4');
    const result = await refused(
      await inventory({ hosts: ['h1', 'h2', 'h3', 'h4'] }),
      [],
      'h4: the cluster has formed already and this host is not one of its members',
      '→ Let it join: play add_etcd -l h4',
    );
    expect(result.text).not.toContain('reload_etcd');
    expect(await on('h4', 'ls -d /etc/etcd /opt/etcd /var/lib/etcd 2>/dev/null; :')).toBe('');
    await lab.stop('h4');
  });

  it('a member that the inventory does not have is named', async () => {
    const result = await refused(
      await inventory({ hosts: ['h1', 'h2'] }),
      [],
      `the cluster has a member that the inventory does not: etcd-h3 (https://${lab.addressOf('h3')}:2380)`,
      '→ Put it into the inventory, or take it out of the cluster: play delete_etcd -e member=etcd-h3',
    );
    expect(result.text).not.toContain('reload_etcd');
  });

  it('a changed variable is refused for each member and reload_etcd is named', async () => {
    const result = await refused(
      await inventory({ vars: { ETCD_HEARTBEAT_INTERVAL: '200', ETCD_ELECTION_TIMEOUT: '2000' } }),
      [],
      'etcd.conf differs from what is wanted in ETCD_ELECTION_TIMEOUT, ETCD_HEARTBEAT_INTERVAL',
      '→ A running cluster is changed one member at a time: play reload_etcd',
    );
    for (const host of ['h1', 'h2', 'h3']) expect(result.text).toContain(`  ${host}: etcd.conf differs`);
  });

  it('a changed peer port is a changed variable, and nobody is told to delete a member', async () => {
    const result = await refused(
      await inventory({ vars: { ETCD_PEER_PORT: '3380' } }),
      [],
      'h1: etcd.conf differs from what is wanted in ETCD_INITIAL_ADVERTISE_PEER_URLS, ETCD_LISTEN_PEER_URLS',
      'play reload_etcd',
    );
    expect(result.text).not.toContain('delete_etcd');
  });

  it('another version is refused and upgrade_etcd is named, or downgrade_etcd', async () => {
    await refused(
      await inventory({ vars: { ETCD_VERSION: '3.5.30' } }),
      [],
      `h1: etcd ${VERSION} runs here, and ETCD_VERSION is 3.5.30`,
      '→ To change the version: play upgrade_etcd -e ETCD_VERSION=3.5.30',
    );
    await refused(
      await inventory({ vars: { ETCD_VERSION: '3.4.23' } }),
      [],
      'play downgrade_etcd -e ETCD_VERSION=3.4.23',
    );
  });

  it('a CERT_LOCAL_DIR without its CA is refused, and no second CA is made', async () => {
    const dir = join(folder, 'no-pki');
    await refused(
      await inventory({ vars: { CERT_LOCAL_DIR: dir } }),
      [],
      `h1, h2, h3 have certificates already, but ${dir} on this machine holds no CA`,
      '→ Copy CERT_LOCAL_DIR from the machine that made the cluster',
    );
    expect(existsSync(dir)).toBe(false);
  });

  it('a CERT_LOCAL_DIR with another CA is refused', async () => {
    const dir = join(folder, 'other-pki');
    await mkdir(dir);
    makeOpensslCa(dir);
    await refused(
      await inventory({ vars: { CERT_LOCAL_DIR: dir } }),
      [],
      `h1, h2, h3 trust another CA than the one in ${dir}`,
      '→ Use the CERT_LOCAL_DIR the cluster was made with',
    );
    expect(readdirSync(dir).sort()).toEqual(['ca-key.pem', 'ca.pem']);
  });

  it('a member whose data are gone is refused, replace_etcd is named, and it is not started', async () => {
    await on(
      'h2',
      'systemctl stop etcd && mv /var/lib/etcd/member /var/lib/kept-member',
      'mv /var/lib/kept-member /var/lib/etcd/member && systemctl start etcd',
    );
    await refused(
      await inventory(),
      [],
      'h2: the cluster lists this host as a member, but it has lost its data (/var/lib/etcd is empty)',
      '→ Started like this it would harm the cluster. Replace it: play replace_etcd -l h2',
    );
    expect((await lab.exec('h2', 'systemctl is-active etcd; ls -A /var/lib/etcd')).stdout).toBe('inactive\n');
  });

  it('check mode with -D shows how etcd.conf differs, changes nothing and shows no key', async () => {
    await on('h2', 'sed -i \'s/^ETCD_HEARTBEAT_INTERVAL=.*/ETCD_HEARTBEAT_INTERVAL="150"/\' /etc/etcd/etcd.conf');
    const result = await refused(
      await inventory(),
      ['-C', '-D'],
      'would change: [h2] etcd.conf is as wanted',
      '-ETCD_HEARTBEAT_INTERVAL="150"\n+ETCD_HEARTBEAT_INTERVAL="100"',
      'h2: etcd.conf differs from what is wanted in ETCD_HEARTBEAT_INTERVAL',
    );
    expect(result.text).not.toMatch(/\[h[13]\] etcd\.conf is as wanted/);
    expect(result.text).not.toContain('=====');
    expect(result.text).not.toMatch(/BEGIN|KEY-----/);
    await on('h2', 'sed -i \'s/^ETCD_HEARTBEAT_INTERVAL=.*/ETCD_HEARTBEAT_INTERVAL="100"/\' /etc/etcd/etcd.conf');
  });

  it('-C -D on a host with another key says so and shows neither key', async () => {
    const key = '/etc/etcd/cert/etcd-client-key.pem';
    await on('h3', `cp -p ${key} /root/key && openssl genpkey -algorithm ed25519 -out ${key}`, `mv /root/key ${key}`);
    const other = await on('h3', `cat ${key}`);
    const result = await untouched(async () => create(await inventory(), '-C', '-D'));
    expectEnd(result, 0, `would change: [h3] Certificates are in place (${key}: content)`);
    for (const word of ['BEGIN', 'KEY-----', other.split('\n')[1]!]) expect(result.text).not.toContain(word);
  });

  it('-l acts on that host alone', async () => {
    const spoil = 'echo "# by hand" >>/etc/systemd/system/etcd.service && systemctl daemon-reload';
    await Promise.all(['h1', 'h3'].map((host) => on(host, spoil)));
    const [other, running] = [await fingerprint(lab, 'h1'), await on('h3', 'systemctl show etcd -p InvocationID')];
    const result = await create(await inventory(), '-l', 'h3');
    expectEnd(result, 0, 'changed: [h3] etcd.service is in place');
    expect(result.text).not.toMatch(/changed: \[h[12]\]/);
    expect(await fingerprint(lab, 'h1')).toBe(other);
    expect(await on('h3', 'systemctl show etcd -p InvocationID'), 'it was not restarted').toBe(running);
    expect(await on('h3', 'cat /etc/systemd/system/etcd.service')).not.toContain('by hand');
    expectEnd(await create(await inventory()), 0, 'changed: [h1] etcd.service is in place');
  });

  it('after all these refusals it is as healthy as it was, and a run changes nothing', async () => {
    const result = await untouched(async () => create(await inventory()));
    expectEnd(result, 0, 'nothing to do');
    expect(result.text).not.toContain('changed: [h');
    for (const host of ['h1', 'h2', 'h3']) expect(await etcdctl(lab, host, 'endpoint health')).toContain('is healthy');
  });
});

describe('secrets', () => {
  it('a right sudo password reaches the hosts and stands in no output', async () => {
    const path = await inventory({ user: 'careful', vars: { ansible_become_password: carefulPassword } });
    for (const words of [[], ['-C', '-D']])
      expectEnd(await untouched(() => create(path, ...words)), 0, 'nothing to do');
  });

  it('no password and no private key stands in anything that was printed', () => {
    const keys = readdirSync(lab.pkiDir)
      .filter((name) => name.endsWith('-key.pem'))
      .map((name) => join(lab.pkiDir, name));
    const lines = [...keys, lab.keyFile].flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line.length > 20 && !line.startsWith('-----')),
    );
    expect(lines.length).toBeGreaterThan(20);
    const all = printed.join('\n');
    expect(all.length).toBeGreaterThan(20_000);
    for (const secret of [carefulPassword, WRONG_PASSWORD, 'PRIVATE KEY', ...lines]) expect(all).not.toContain(secret);
  });
});
