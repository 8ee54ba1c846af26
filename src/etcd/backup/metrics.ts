import { readFile } from 'node:fs/promises';
import { writeWhole } from '../../local/whole-file.ts';
import { onDisk } from './on-disk.ts';

/** What Prometheus' node exporter reads from a text file (its textfile collector). */
export interface BackupMetrics {
  cluster: string;
  finishedAt: Date;
  succeeded: boolean;
  /** The backup that was made and verified; undefined: none, and the last one stays as it was said before. */
  verified: { takenAt: Date; sizeBytes: number; revision: bigint; durationMs: number } | undefined;
}

const PREFIX = 'etcd_play_backup';

const METRICS = {
  last_run_timestamp_seconds: 'When the last run of backup_etcd ended.',
  last_run_succeeded: 'Whether the last run of backup_etcd ended well.',
  last_verified_timestamp_seconds: 'When the last verified backup was taken.',
  last_verified_size_bytes: 'The size of the last verified snapshot.',
  last_verified_revision: 'The revision of the last verified backup.',
  last_verified_duration_seconds: 'How long the last verified backup took, its proof included.',
} as const;

/** The file's text; lines about the last verified backup are carried over from `before` where there is no newer one. Pure. */
export function metricsText({ cluster, finishedAt, succeeded, verified }: BackupMetrics, before = ''): string {
  const label = cluster.replace(/[\\"\n]/g, '_');
  const values: Partial<Record<keyof typeof METRICS, number>> = {
    last_run_timestamp_seconds: seconds(finishedAt),
    last_run_succeeded: succeeded ? 1 : 0,
    ...(verified && {
      last_verified_timestamp_seconds: seconds(verified.takenAt),
      last_verified_size_bytes: verified.sizeBytes,
      last_verified_revision: Number(verified.revision),
      last_verified_duration_seconds: verified.durationMs / 1000,
    }),
  };
  const lines = Object.entries(METRICS).flatMap(([name, help]) => {
    const metric = `${PREFIX}_${name}`;
    const key = `${metric}{cluster="${label}"}`;
    const value = values[name as keyof typeof METRICS];
    const line = value === undefined ? before.split('\n').find((one) => one.startsWith(`${key} `)) : `${key} ${value}`;
    return line === undefined ? [] : [`# HELP ${metric} ${help}`, `# TYPE ${metric} gauge`, line];
  });
  return `${lines.join('\n')}\n`;
}

function seconds(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}

/** The collector may read at any moment: it finds the old file or the new one. */
export async function writeMetrics(path: string, metrics: BackupMetrics): Promise<void> {
  await onDisk(path, async () => {
    const before = await readFile(path, 'utf8').catch(() => '');
    await writeWhole(path, metricsText(metrics, before), 0o644);
  });
}
