import { ExitCode, InputError } from '../errors.ts';
import { auditFolder, type RunRecord, readRuns } from '../screen/audit.ts';
import { formatDuration } from '../screen/words.ts';

/** `play runs`: what was run from here, newest first. `play runs show ID`: all that it changed. */
export async function showRuns(id: string | undefined): Promise<number> {
  const runs = readRuns();
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  if (id === undefined) {
    for (const run of runs.slice(0, 50)) print(runLine(run));
    if (runs.length === 0) print(`no runs are on record in ${auditFolder()}`);
    return ExitCode.done;
  }
  const run = runs.find((one) => one.id === id || one.id.startsWith(id));
  if (!run) throw new InputError(`there is no run ${id} on record`, { next: 'play runs lists them.' });
  print(runLine(run));
  print(`  play ${run.words.join(' ')}`);
  for (const { time, host, task, status, summary } of run.done) {
    print(`  ${time} ${status}: [${host}] ${task}${summary ? ` (${summary})` : ''}`);
  }
  return ExitCode.done;
}

function runLine({ id, started, user, playbook, hosts, check, exitCode, durationMs, done }: RunRecord): string {
  const end = exitCode === undefined ? 'not ended' : `exit ${exitCode} after ${formatDuration(durationMs ?? 0)}`;
  const changes = done.filter(({ status }) => status === 'changed').length;
  return `${id}  ${started}  ${user}  ${playbook}${check ? ' -C' : ''} on ${hosts.length} hosts: ${changes} changes, ${end}`;
}
