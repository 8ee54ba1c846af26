import { table } from '../tables.ts';
import type { FoundBackup } from './catalogue.ts';
import type { Manifest } from './manifest.ts';
import { mebibytes } from './report.ts';

/** What a proof made just now says: `unknown` where the proof itself could not be made. */
export interface Judgement {
  verdict: 'good' | 'bad' | 'unknown';
  /** Why it is not good. */
  reason: string;
}

export interface JudgedBackup extends FoundBackup {
  /** Undefined: it was not proven now. */
  judged?: Judgement | undefined;
}

/** A backup as `play backups --output json` shows it. Numbers of 64 bits are texts. */
export function backupFacts(backup: JudgedBackup): Record<string, unknown> {
  const { name, path, cluster, takenAt, revision, sizeBytes, compression, encryption, verified, manifest } = backup;
  return {
    name,
    path,
    cluster,
    clusterId: manifest?.cluster.id ?? null,
    takenAt: takenAt.toISOString(),
    revision: String(revision),
    sizeBytes,
    snapshotBytes: manifest?.snapshot.sizeBytes ?? null,
    compression,
    encryption,
    v2Keys: manifest?.v2?.facts?.keys ?? null,
    v2File: manifest?.v2?.name ?? null,
    from: manifest?.from.host ?? null,
    etcdVersion: manifest?.from.version ?? null,
    verified: verified !== 'no',
    proof: verified === 'no' ? null : verified,
    fault: backup.fault || null,
    ...(backup.judged && { now: backup.judged.verdict, reason: backup.judged.reason || null }),
  };
}

const PROOFS = { restored: 'yes, restored', checked: 'yes, checked', no: 'no' } as const;

const VERDICTS = { good: 'good', bad: 'BAD', unknown: 'not proven' } as const;

/** The table that `play backups` prints: newest first. */
export function backupTable(backups: readonly JudgedBackup[], now: Date): string {
  const isJudged = backups.some(({ judged }) => judged);
  const hasV2 = backups.some(({ manifest }) => manifest?.v2);
  const rows = backups.map((one) => [
    one.name,
    age(now.getTime() - one.takenAt.getTime()),
    String(one.revision),
    mebibytes(one.sizeBytes),
    one.manifest?.from.version ?? '?',
    ...(hasV2 ? [v2Cell(one.manifest?.v2)] : []),
    one.fault === '' ? PROOFS[one.verified] : `no: ${one.fault}`,
    ...(isJudged ? [VERDICTS[one.judged?.verdict ?? 'unknown']] : []),
  ]);
  return table(
    [
      'BACKUP',
      'AGE',
      'REVISION',
      'SIZE',
      'ETCD',
      ...(hasV2 ? ['V2 KEYS'] : []),
      'VERIFIED',
      ...(isJudged ? ['NOW'] : []),
    ],
    rows,
  );
}

function v2Cell(v2: Manifest['v2']): string {
  if (!v2) return '';
  return v2.facts ? String(v2.facts.keys) : '?';
}

/** In the largest unit of which there are two at least; of a time to come too, which is a clock's mistake. */
export function age(ms: number): string {
  if (ms < -60_000) return `in ${age(-ms)}`;
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
  ] as const;
  const [unit, size] = units.find(([, size]) => ms >= 2 * size) ?? (['s', 1000] as const);
  return `${Math.max(0, Math.floor(ms / size))} ${unit}`;
}
