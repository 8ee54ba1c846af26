import { join } from 'node:path';
import { writeWhole } from '../local/whole-file.ts';
import type { Schedule } from './record.ts';
import type { ScheduleState } from './state.ts';

/** What the textfile collector reads of a schedule. Pure. */
export function scheduleMetrics({ name, words }: Schedule, { runs, lastGoodAt }: ScheduleState): string {
  const [last] = runs;
  const labels = `{schedule="${name}",playbook="${words[0]!.replace(/[\\"\n]/g, '_')}"}`;
  const seconds = (time: string | null | undefined) => (time ? Math.floor(Date.parse(time) / 1000) : undefined);
  const values: [string, string, number | undefined][] = [
    ['last_run_timestamp_seconds', 'When the last run began.', seconds(last?.startedAt)],
    ['last_run_exit_code', 'How the last run ended: 0 is well.', last?.exitCode ?? undefined],
    ['last_success_timestamp_seconds', 'When the last run ended that ended well.', seconds(lastGoodAt)],
  ];
  return values
    .flatMap(([metric, help, value]) => {
      const full = `etcd_play_schedule_${metric}`;
      return value === undefined ? [] : [`# HELP ${full} ${help}`, `# TYPE ${full} gauge`, `${full}${labels} ${value}`];
    })
    .map((line) => `${line}\n`)
    .join('');
}

/** Of each run of a schedule, and of the backups that it takes. */
export const metricsFile = (folder: string, name: string): string => join(folder, `etcd_play_${name}.prom`);
export const backupMetricsFile = (folder: string, name: string): string =>
  join(folder, `etcd_play_${name}_backup.prom`);

export async function writeScheduleMetrics(schedule: Schedule, state: ScheduleState): Promise<void> {
  if (schedule.metrics === null) return;
  await writeWhole(metricsFile(schedule.metrics, schedule.name), scheduleMetrics(schedule, state), 0o644);
}
