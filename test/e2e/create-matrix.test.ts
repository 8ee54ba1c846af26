import { spawn, spawnSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { releasesDir } from '../lab/places.ts';
import { ensureRelease } from '../lab/releases.ts';
import { carefulPassword } from '../lab/users.ts';
import { PLAY, type PlayResult, runPlay } from './play.ts';
import { etcdctl, fingerprint, membersSeenBy } from './witness.ts';

/** What may differ between clusters, each value in at least one of them: a cluster of hosts of its own for each case. */
interface Case {
  title: string;
  hosts: string[];
  version: string;
  /** The inventory files, and what must be there before they are read. */
  inventory: (folder: string) => string[];
  /** Runs create_etcd the way this case logs in; default: the bare command. */
  run?: (words: string[]) => Promise<PlayResult>;
  /** Done on each host before the first run. */
  before?: string;
  memberName: (host: string) => string;
  peerPort?: number;
  clientPort?: number;
  certDir?: string;
  dataDir?: string;
  /** Where the write-ahead log must be. */
  walDir: string;
  keyType?: 'ec' | 'rsa';
  /** Of the CA, in CERT_LOCAL_DIR. */
  ca?: { cert: string; key: string };
}

const VERSIONS = ['3.3.25', '3.4.23', '3.5.16', '3.5.30'];
const LAB = 'mx-matrix';
/** Of h1, h2, …: every cluster of several hosts is a mixed one. The lab's newer binaries need the C library of Debian 12. */
const SUITES = [12, 13, 12, 13, 12, 11, 12, 13, 13, 13, 12, 13];
let lab: Lab;

beforeAll(async () => {
  for (const version of VERSIONS) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: SUITES.length, suites: SUITES, fresh: true });
});
afterAll(() => lab?.down());

const address = (host: string) => lab.addressOf(host);
const vars = (version: string, more: Record<string, string> = {}) => ({
  ETCD_VERSION: version,
  ETCD_RELEASE_DIR: releasesDir,
  CERT_LOCAL_DIR: 'pki',
  ...more,
});

function write(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** A CA as people make them by hand. */
function opensslCa(folder: string, key: string[]): void {
  mkdirSync(folder, { recursive: true });
  const openssl = (...words: string[]) => {
    const { status, stderr } = spawnSync('openssl', words, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };
  openssl('genpkey', ...key, '-out', 'ca.key');
  openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    'ca.key',
    '-sha256',
    '-days',
    '3650',
    '-subj',
    '/O=Own/CN=own ca',
    '-out',
    'ca.crt',
  );
}

/** `play … -K` on a terminal, as a person runs it who is asked for the password of sudo. */
function runAsked(words: string[]): Promise<PlayResult> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const command = `stty cols 120 rows 40; ${[process.execPath, PLAY, ...words, '-K'].map((word) => `'${word}'`).join(' ')}`;
    const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';
    let asked = 0;
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const prompts = text.split('BECOME password: ').length - 1;
      for (; asked < prompts; asked++) child.stdin.write(`${carefulPassword}\n`);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const shown = stripVTControlCharacters(text);
      resolve({ code, stdout: shown, stderr: '', text: shown, durationMs: performance.now() - started });
    });
  });
}

const cases: Case[] = [
  {
    title: 'five hosts, sudo without a password, other ports, the log on another path, etcd 3.5.30',
    hosts: ['h1', 'h2', 'h3', 'h4', 'h5'],
    version: '3.5.30',
    inventory: (folder) => {
      const around = { ETCD_MANAGE_HOSTS: 'true', ETCD_OPEN_FIREWALL: 'true' };
      const more = { ...around, ETCD_CLIENT_PORT: '12379', ETCD_PEER_PORT: '12380', ETCD_WAL_DIR: '/srv/etcd-log' };
      const options = { hosts: ['h1', 'h2', 'h3', 'h4', 'h5'], user: 'plain', vars: vars('3.5.30', more) } as const;
      return [write(folder, 'hosts.ini', lab.inventory(options))];
    },
    memberName: (host) => `etcd-${host}`,
    clientPort: 12379,
    peerPort: 12380,
    walDir: '/srv/etcd-log/wal',
  },
  {
    title: 'the split inventory of the reference (hosts.ini, conf/etcd.conf), root, shared directory, RSA, etcd 3.3.25',
    hosts: ['h6', 'h7', 'h8'],
    version: '3.3.25',
    inventory: (folder) => {
      const addresses = ['h6', 'h7', 'h8'].map(address);
      const access = lab.inventory({ hosts: [], group: 'all' }).split('\n').slice(2).join('\n');
      const conf = [
        '# etcd version 3.3',
        '[etcd]',
        ...addresses,
        '',
        '[etcd:vars]',
        'ETCD_VERSION=3.3.25',
        `ETCD_RELEASE_DIR=${releasesDir}`,
        'CERT_KEY_ALGORITHM=rsa-2048',
        '# ten years',
        'CERT_EXPIRY=87600h',
        `CERT_LOCAL_DIR=${folder}/pki/`,
        'ECTD_CERT_DIR=/etc/ssl/certs',
        'ETCD_DATA_DIR=/var/lib/etcd',
        'ETCD_WAL_DIR=/var/lib/etcd/wal',
        'ETCD_PEER_PORT = 2380',
        'ETCD_CLIENT_PORT = 2379',
        '',
      ];
      const hosts = `[servers]\n${addresses.join('\n')}\n\n${access}`;
      return [write(folder, 'hosts.ini', hosts), write(folder, 'conf/etcd.conf', conf.join('\n'))];
    },
    before: 'mkdir -p /etc/ssl/certs; echo other >/etc/ssl/certs/other.pem; chmod 0644 /etc/ssl/certs/other.pem',
    memberName: (host) => `etcd-${address(host)}`,
    certDir: '/etc/ssl/certs',
    walDir: '/var/lib/etcd/wal',
    keyType: 'rsa',
  },
  {
    title: 'one host, sudo with a password of the inventory, a CA of openssl (EC), another data directory, etcd 3.4.23',
    hosts: ['h9'],
    version: '3.4.23',
    inventory: (folder) => {
      opensslCa(join(folder, 'pki'), ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']);
      const more = {
        ansible_become_password: carefulPassword,
        ETCD_CERT_DIR: '/etc/ssl/certs',
        ETCD_DATA_DIR: '/srv/etcd/data',
        ETCD_HEARTBEAT_INTERVAL: '200',
      };
      return [
        write(folder, 'hosts.ini', lab.inventory({ hosts: ['h9'], user: 'careful', vars: vars('3.4.23', more) })),
      ];
    },
    before: 'mkdir -p /etc/ssl/certs; echo other >/etc/ssl/certs/other.pem; chmod 0644 /etc/ssl/certs/other.pem',
    memberName: (host) => `etcd-${host}`,
    certDir: '/etc/ssl/certs',
    dataDir: '/srv/etcd/data',
    walDir: '/srv/etcd/data/member/wal',
    ca: { cert: 'ca.crt', key: 'ca.key' },
  },
  {
    title:
      'three hosts, sudo with a password asked for on a terminal, a CA of openssl (RSA), many settings, etcd 3.5.16',
    hosts: ['h10', 'h11', 'h12'],
    version: '3.5.16',
    inventory: (folder) => {
      opensslCa(join(folder, 'pki'), ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']);
      const more = {
        ETCD_CLUSTER_TOKEN: 'orders-test',
        ETCD_HEARTBEAT_INTERVAL: '150',
        ETCD_ELECTION_TIMEOUT: '1800',
        ETCD_SNAPSHOT_COUNT: '20000',
        ETCD_QUOTA_BACKEND_BYTES: '3GiB',
        ETCD_AUTO_COMPACTION_MODE: 'periodic',
        ETCD_AUTO_COMPACTION_RETENTION: '2h',
        ETCD_MAX_REQUEST_BYTES: '3MiB',
        ETCD_LISTEN_METRICS_URLS: 'http://0.0.0.0:2381',
        ETCD_EXTRA: 'ETCD_MAX_TXN_OPS=512',
      };
      const hosts = ['h10', 'h11', 'h12'];
      return [write(folder, 'hosts.ini', lab.inventory({ hosts, user: 'careful', vars: vars('3.5.16', more) }))];
    },
    run: runAsked,
    memberName: (host) => `etcd-${host}`,
    walDir: '/var/lib/etcd/member/wal',
    ca: { cert: 'ca.crt', key: 'ca.key' },
  },
];

describe.each(cases)('create_etcd works with $title', (given) => {
  const { hosts, clientPort = 2379, certDir = '/etc/etcd/cert', dataDir = '/var/lib/etcd' } = given;
  const first = hosts[0]!;
  const last = hosts.at(-1)!;
  let folder: string;
  let words: string[];
  let created: PlayResult;
  let caBefore: string[] | undefined;
  const run = () => (given.run ?? runPlay)(words);
  const onAll = <T>(work: (host: string) => Promise<T>) => Promise.all(hosts.map(work));
  const on = async (host: string, command: string) => (await lab.exec(host, command)).stdout;
  const ctl = (host: string, command: string) => etcdctl(lab, host, command, clientPort, certDir);
  const caFiles = () => Object.values(given.ca ?? {}).map((name) => readFileSync(join(folder, 'pki', name), 'utf8'));
  const prints = () =>
    onAll(
      async (host) => (await fingerprint(lab, host)) + (await on(host, `ls -lRn --time-style=full-iso ${certDir}`)),
    );

  beforeAll(async () => {
    folder = join(lab.dir, `matrix-${first}`);
    words = ['create_etcd', ...given.inventory(folder).flatMap((file) => ['-i', file])];
    if (given.ca) caBefore = caFiles();
    if (given.before) for (const host of hosts) await on(host, given.before);
    created = await run();
    if (created.code !== 0) throw new Error(`create_etcd ended with ${created.code}:\n${created.text}`);
  });

  it('ends with a recap without failures, and shows no password', () => {
    for (const line of created.text.match(/: ok=.*$/gm)!) expect(line).toMatch(/unreachable=0 +failed=0/);
    expect(created.text).not.toContain(carefulPassword);
  });

  it('makes one cluster of all hosts and no others, healthy, as etcdctl on each of them sees it', async () => {
    const views = await onAll((host) => membersSeenBy(lab, host, clientPort, certDir));
    expect(views[0]!.map(({ name }) => name)).toEqual(
      hosts.map(given.memberName).toSorted((a, b) => a.localeCompare(b)),
    );
    for (const view of views) expect(view).toEqual(views[0]);
    for (const health of await onAll((host) => ctl(host, 'endpoint health 2>&1')))
      expect(health).toContain('is healthy');
    expect(await on(first, 'etcd --version')).toContain(`etcd Version: ${given.version}\n`);
  });

  it('gives a key that was written through one member back through another', async () => {
    await ctl(first, 'put greeting hello');
    expect(await ctl(last, 'get greeting --print-value-only')).toBe('hello\n');
  });

  it('changes nothing when it is run again, and restarts nothing', async () => {
    const before = await prints();
    const again = await run();
    expect(again.code, again.text).toBe(0);
    expect(again.text).not.toMatch(/changed=[1-9]/);
    expect(again.text.match(/changed=0/g)!.length).toBeGreaterThanOrEqual(hosts.length);
    expect(await prints()).toEqual(before);
  });

  it('closes keys and data to all but their reader, and puts the log where it was asked for', async () => {
    const files = ['ca', 'client', 'client-key', 'peer', 'peer-key', 'server', 'server-key'];
    const paths = files.map((name) => `${certDir}/etcd-${name}.pem`).join(' ');
    for (const found of await onAll((host) => on(host, `stat -c '%n %a %U' ${paths} ${dataDir}; ls ${given.walDir}`))) {
      expect(found.split('\n').slice(0, 8)).toEqual([
        `${certDir}/etcd-ca.pem 644 etcd`,
        `${certDir}/etcd-client.pem 644 root`,
        `${certDir}/etcd-client-key.pem 600 root`,
        `${certDir}/etcd-peer.pem 644 etcd`,
        `${certDir}/etcd-peer-key.pem 600 etcd`,
        `${certDir}/etcd-server.pem 644 etcd`,
        `${certDir}/etcd-server-key.pem 600 etcd`,
        `${dataDir} 700 etcd`,
      ]);
      expect(found).toMatch(/^[0-9a-f]+-[0-9a-f]+\.wal$/m);
    }
  });

  it('names the member in its certificates by every name it is called by', async () => {
    for (const host of hosts) {
      const hostName = (await on(host, 'uname -n')).trim();
      for (const kind of ['server', 'peer']) {
        const certificate = new X509Certificate(await on(host, `cat ${certDir}/etcd-${kind}.pem`));
        for (const name of [hostName, given.memberName(host), 'localhost']) {
          expect(certificate.subjectAltName?.split(', '), name).toContain(`DNS:${name}`);
        }
        for (const ip of [address(host), '127.0.0.1', '::1']) expect(certificate.checkIP(ip), ip).toBe(ip);
        expect(certificate.publicKey.asymmetricKeyType).toBe(given.keyType ?? 'ec');
      }
    }
  });

  it('keeps the key of the CA on the control machine, and a CA that was there byte for byte', async () => {
    const key = readFileSync(join(folder, 'pki', given.ca?.key ?? 'ca-key.pem'), 'utf8');
    // The last line of a key's own number: the same in every key file that holds it in this form.
    const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'pem' }).toString().split('\n')[1]!;
    for (const found of await onAll((host) => on(host, `grep -rlF -e '${der}' /etc /opt /var/lib /srv /root /tmp`))) {
      expect(found).toBe('');
    }
    if (!given.ca) return;
    expect(caFiles()).toEqual(caBefore);
    const ca = new X509Certificate(readFileSync(join(folder, 'pki', given.ca.cert)));
    const server = new X509Certificate(await on(first, `cat ${certDir}/etcd-server.pem`));
    expect(server.verify(ca.publicKey)).toBe(true);
  });

  it('leaves etcd.conf saying existing and a service that starts at boot', async () => {
    const command = 'grep STATE= /etc/etcd/etcd.conf; systemctl is-enabled etcd; systemctl is-active etcd';
    for (const said of await onAll((host) => on(host, command))) {
      expect(said).toBe('ETCD_INITIAL_CLUSTER_STATE="existing"\nenabled\nactive\n');
    }
  });

  it('has every setting of etcd.conf in force in the running process, and none that this version does not know', async () => {
    const environment = "tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value etcd)/environ";
    for (const host of hosts) {
      const wanted = (await on(host, 'grep ^ETCD_ /etc/etcd/etcd.conf')).trim().split('\n');
      const inForce = (await on(host, environment)).trim().split('\n');
      for (const line of wanted.filter((one) => !one.startsWith('ETCD_INITIAL_CLUSTER_STATE'))) {
        expect(inForce).toContain(line.replace(/="(.*)"$/, '=$1'));
      }
      const log = await on(host, 'journalctl -u etcd --no-pager -o cat');
      expect(log).toContain(given.version);
      expect(log).not.toMatch(/unrecognized environment variable|conflicting environment|unsupported|deprecated/i);
    }
  });

  it('has its member back by itself after a host was shut down and started', async () => {
    await lab.stop(last);
    await lab.start(last);
    await expect
      .poll(() => ctl(last, 'endpoint health 2>&1').catch(String), { timeout: 30_000 })
      .toContain('is healthy');
    expect(await ctl(last, 'get greeting --print-value-only')).toBe('hello\n');
  });
});

describe('a shared certificate directory', () => {
  it.each(['h6', 'h9'])('keeps its own mode and owner and the files of others (%s)', async (host) => {
    const { stdout } = await lab.exec(
      host,
      'stat -c "%a %U %G" /etc/ssl/certs /etc/ssl/certs/other.pem; cat /etc/ssl/certs/other.pem',
    );
    expect(stdout).toBe('755 root root\n644 root root\nother\n');
  });
});

describe('the surroundings of the five hosts', () => {
  it('have each of them find the others by name; without a firewall no port is to be opened', async () => {
    for (const host of ['h1', 'h5']) {
      const hosts = (await lab.exec(host, 'cat /etc/hosts')).stdout;
      for (const other of ['h1', 'h2', 'h3', 'h4', 'h5'])
        expect(hosts).toContain(`${address(other)} ${other} etcd-${other}`);
    }
    expect((await lab.exec('h6', 'cat /etc/hosts')).stdout).not.toContain('etcd-');
  });
});

describe('the settings of the inventory, as etcd itself tells them', () => {
  it('has 3.5 run with the heartbeat, election, quota, compaction and limits that were asked for', async () => {
    const { stdout } = await lab.exec(
      'h10',
      "journalctl -u etcd --no-pager -o cat | grep 'starting an etcd server' | tail -1",
    );
    expect(JSON.parse(stdout)).toMatchObject({
      'heartbeat-interval': '150ms',
      'election-timeout': '1.8s',
      'snapshot-count': 20000,
      'quota-backend-bytes': 3 * 1024 ** 3,
      'max-request-bytes': 3 * 1024 ** 2,
      'auto-compaction-mode': 'periodic',
      'auto-compaction-retention': '2h0m0s',
    });
    const metrics = await (await fetch(`http://${address('h10')}:2381/metrics`)).text();
    expect(metrics).toMatch(/^etcd_server_quota_backend_bytes 3\.221225472e\+09$/m);
  });

  it('has 3.4 run with the heartbeat that was asked for', async () => {
    const { stdout } = await lab.exec('h9', 'journalctl -u etcd --no-pager -o cat');
    expect(stdout).toMatch(/"heartbeat-interval":"200ms"|heartbeat = 200ms/);
  });

  it('has the write-ahead log of 3.3 in the directory of the reference, and nothing of it in the usual place', async () => {
    const { stdout } = await lab.exec('h6', 'ls -d /var/lib/etcd/wal /var/lib/etcd/member/wal 2>&1');
    expect(stdout).toMatch(/^\/var\/lib\/etcd\/wal$/m);
    expect(stdout).not.toMatch(/^\/var\/lib\/etcd\/member\/wal$/m);
  });
});
