import { describe, expect, it } from 'vitest';
import {
  accountResources,
  binaryResources,
  certificateResources,
  configurationResource,
  directoryResources,
  entriesOf,
  releaseResources,
  surroundingsResources,
  unitResources,
  wantsSurroundings,
} from '../../../src/etcd/member.ts';
import type { Resource } from '../../../src/resource/resource.ts';
import { found, state } from '../resource/on-this-machine.ts';
import { Wanted } from './plan/observed.ts';

const settings = (vars: Record<string, unknown> = {}) => new Wanted(1, vars).settings[0]!;
const ids = (resources: Resource[]) => resources.map(({ kind, id }) => `${kind} ${id}`);
/** What each would do on a host where there is nothing. */
const changes = (resources: Resource[]) => resources.map((resource) => resource.compare(found({})));
const release = {
  version: '3.5.16',
  arch: 'amd64' as const,
  archivePath: '/r.tar.gz',
  sha256: 'a'.repeat(64),
  sizeBytes: 7,
};

describe('a release', () => {
  it('is sent to a directory of its version', () => {
    expect(ids(releaseResources(settings(), release, false, () => {}))).toEqual([
      'directory /opt/etcd',
      'archive /opt/etcd/v3.5.16',
    ]);
  });

  it('is not looked at where it is installed, and only announced where it is not at hand', () => {
    expect(releaseResources(settings(), release, true, () => {})).toEqual([]);
    const [, announced] = changes(releaseResources(settings(), undefined, false, () => {}));
    expect(announced?.summary).toBe('etcd 3.5.16 is to be sent and unpacked');
    expect(announced?.input).toBeUndefined();
  });

  it('tells how far it is, with the whole beside it', () => {
    const told: number[][] = [];
    const [, archive] = changes(releaseResources(settings(), release, false, (...how) => told.push(how)));
    archive?.input?.onProgress?.(3);
    expect(told).toEqual([[3, 7]]);
  });
});

describe('the binaries', () => {
  it('are links through one that is switched for all', () => {
    expect(changes(binaryResources(settings())).map((change) => change?.summary)).toEqual([
      'new link to /opt/etcd/v3.5.16',
      'new directory, root, 0755',
      'new link to /opt/etcd/current/etcd',
      'new link to /opt/etcd/current/etcdctl',
      'new link to /opt/etcd/current/etcdutl',
    ]);
  });

  it('have no etcdutl before 3.5', () => {
    expect(ids(binaryResources(settings({ ETCD_VERSION: '3.4.23' }))).join()).not.toContain('etcdutl');
  });

  it('leave the directory that others use as it is', () => {
    const there = found({ '/usr/local/bin': state('directory', { owner: 'admin', mode: 0o2775 }) });
    expect(binaryResources(settings())[1]!.compare(there)).toBeUndefined();
  });
});

describe('the user', () => {
  it('is made with the data directory as home, and not where it is root', () => {
    expect(ids(accountResources(settings()))).toEqual(['user etcd']);
    expect(accountResources(settings({ ETCD_USER: 'root' }))).toEqual([]);
  });
});

describe('the directories', () => {
  it('of data are for etcd alone, those of settings and certificates are left as they are found', () => {
    const all = directoryResources(settings({ ETCD_WAL_DIR: '/fast', ETCD_CERT_DIR: '/etc/ssl/certs' }));
    expect(ids(all)).toEqual([
      'directory /etc/etcd',
      'directory /etc/ssl/certs',
      'directory /var/lib/etcd',
      'directory /fast',
    ]);
    const there = found({
      '/etc/ssl/certs': state('directory', { owner: 'admin' }),
      '/var/lib/etcd': state('directory', { owner: 'etcd', group: 'etcd', mode: 0o755 }),
    });
    expect(all[1]!.compare(there)).toBeUndefined();
    expect(all[2]!.compare(there)?.summary).toBe('mode 0755 → 0700');
  });
});

describe('the certificates', () => {
  const pair = (name: string) => ({ certPem: `${name} cert`, keyPem: `${name} key` });
  const made = { caPem: 'ca', server: pair('server'), peer: pair('peer'), client: pair('client') };

  it('are for all to read, the keys for their reader alone and never shown', () => {
    const all = certificateResources(settings(), made);
    const seen = changes(all).map((change, n) => [
      all[n]!.id.replace('/etc/etcd/cert/etcd-', ''),
      /chown -h -- (\S+)/.exec(change!.apply)?.[1],
      /chmod -- (\d+)/.exec(change!.apply)?.[1],
      change!.diff !== undefined,
    ]);
    expect(seen).toEqual([
      ['ca.pem', 'etcd:etcd', '00644', true],
      ['server-key.pem', 'etcd:etcd', '00600', false],
      ['server.pem', 'etcd:etcd', '00644', true],
      ['peer-key.pem', 'etcd:etcd', '00600', false],
      ['peer.pem', 'etcd:etcd', '00644', true],
      ['client-key.pem', 'root:root', '00600', false],
      ['client.pem', 'root:root', '00644', true],
    ]);
  });

  it('do not bring the key of the CA to a host', () => {
    expect(ids(certificateResources(settings(), made)).join()).not.toContain('ca-key');
  });

  it('that are still to be issued are announced, each by its path', () => {
    const all = certificateResources(settings(), undefined);
    expect(ids(all)).toHaveLength(7);
    expect(new Set(changes(all).map((change) => change?.summary))).toEqual(
      new Set(['a certificate or key is to be issued']),
    );
  });
});

describe('the settings and the unit', () => {
  it('keep a copy of what someone else had there, and know their own by the words in their templates', () => {
    const wanted = new Wanted(1);
    const text = wanted.configuration('h1', 'new');
    const conf = configurationResource(wanted.settings[0]!, text);
    const [unit] = unitResources(wanted.settings[0]!, []);
    for (const [resource, words] of [
      [conf, 'written by etcd-play'],
      [unit!, 'Written by etcd-play'],
    ] as const) {
      const path = resource.paths![0]!;
      const { apply, diff } = resource.compare(found({ [path]: state('file') }))!;
      expect(apply).toContain(`${path}.before-etcd-play`);
      expect(apply).toContain(`'${words}'`);
      expect(diff?.after).toContain(words);
    }
  });

  it('start etcd at boot', () => {
    expect(ids(unitResources(settings(), []))).toEqual(['unit etcd.service', 'service etcd.service']);
  });
});

describe('what lies around etcd on a host', () => {
  const wanted = (vars: Record<string, unknown>) => new Wanted(2, vars).settings;

  it('is left alone unless it is asked for', () => {
    const all = wanted({});
    expect(wantsSurroundings(all)).toBe(false);
    expect(surroundingsResources(all[0]!, all)).toEqual([]);
  });

  it.each<[Record<string, unknown>, string[]]>([
    [{ ETCD_MANAGE_HOSTS: true }, ['host entries']],
    [{ ETCD_OPEN_FIREWALL: true }, ['firewall']],
    [{ ETCD_SELINUX: 'context' }, ['script']],
    [{ ETCD_SELINUX: 'ignore' }, []],
    [
      { ETCD_MANAGE_HOSTS: true, ETCD_OPEN_FIREWALL: true, ETCD_SELINUX: 'context' },
      ['host entries', 'firewall', 'script'],
    ],
  ])('%j', (vars, kinds) => {
    const all = wanted(vars);
    expect(surroundingsResources(all[0]!, all).map(({ kind }) => kind)).toEqual(kinds);
    expect(wantsSurroundings(all)).toBe(kinds.length > 0);
  });

  it('opens the ports that etcd has', () => {
    const [one] = wanted({ ETCD_OPEN_FIREWALL: true, ETCD_CLIENT_PORT: 12379 });
    expect(ids(surroundingsResources(one!, [one!]))).toEqual(['firewall 12379/tcp 2380/tcp']);
  });

  it('lists each host by its own name and that of its member', () => {
    expect(entriesOf(wanted({}))).toEqual([
      { address: '10.0.0.11', names: ['h1', 'etcd-h1'] },
      { address: '10.0.0.12', names: ['h2', 'etcd-h2'] },
    ]);
  });
});
