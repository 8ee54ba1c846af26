import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { assess, type LostHost } from '../../../../src/etcd/plan/sight.ts';
import type { CertificateSight } from '../../../../src/etcd/status/certificates.ts';
import type { StatusSight } from '../../../../src/etcd/status/sight.ts';
import { ensurePki } from '../../../../src/pki/store.ts';
import { DAY_MS, request, temporaryDir } from '../../pki/workshop.ts';
import { CA, type status, Wanted, withFacts } from '../plan/observed.ts';

export const wanted = new Wanted(3);
export const NOW = new Date('2030-06-01T12:00:00Z');

/** A member that serves, whose process is as on its disk. */
export function member(host: string): SeenHost {
  const seen = wanted.serving(host);
  const text = wanted.configuration(host, 'existing');
  const environment = new Map(
    [...text.matchAll(/^(\w+)="(.*)"$/gm)].map(([, name, value]) => [name!, value!] as const),
  );
  return withFacts(seen, {
    running: { environment, binary: '/opt/etcd/v3.5.16/etcd' },
    service: { ...seen.facts.service, fragment: '/etc/systemd/system/etcd.service', enabled: true },
  });
}

export const all = (): SeenHost[] => wanted.hosts.map(member);

export const lost = (host: string): LostHost => ({
  host,
  settings: wanted.settings[wanted.hosts.indexOf(host)]!,
  reason: 'it did not answer within 10 s',
});

/** The cluster in good health, but for what is said. */
export function sightOf(
  hosts: readonly SeenHost[],
  more: Partial<StatusSight> & { lost?: LostHost[] } = {},
): StatusSight {
  const { lost: away = [], ...rest } = more;
  const state = assess({ hosts, lost: away });
  const health = new Map(
    state.serving.map(({ host }) => [host!, { endpoint: `https://${host}`, healthy: true, tookMs: 1, error: '' }]),
  );
  return {
    state,
    now: NOW,
    wantedVersion: '3.5.16',
    health,
    alarms: [],
    certificates: [],
    due: new Map(),
    authorities: [],
    caPem: CA,
    warnDays: undefined,
    unseen: new Map(),
    clocks: [],
    ...rest,
  };
}

/** With its status as the API gives it, but for this. */
export function telling(seen: SeenHost, change: Partial<ReturnType<typeof status>>): SeenHost {
  return { ...seen, api: { ...seen.api!, status: { ...seen.api!.status, ...change } } };
}

/** A CA and a leaf that ends so many days after NOW. */
export async function issued(
  days: number,
  lifetimeDays = 3650,
): Promise<{ ca: X509Certificate; leaf: X509Certificate }> {
  const dir = temporaryDir();
  const now = new Date(NOW.getTime() + (days - lifetimeDays) * DAY_MS);
  const made = await ensurePki(request(dir, { lifetimeMs: lifetimeDays * DAY_MS, now }));
  const leaf = new X509Certificate(made.pairs.get('etcd-h1-server')!.certPem);
  return { ca: new X509Certificate(readFileSync(join(dir, 'ca.pem'))), leaf };
}

export function certificate(leaf: X509Certificate, more: Partial<CertificateSight> = {}): CertificateSight {
  return { host: 'h1', kind: 'server', served: leaf, onHost: leaf, here: leaf, ...more };
}
