import { ExitCode, InputError } from '../errors.ts';
import { auditFolder, type RunRecord, readRuns } from '../screen/audit.ts';
import { formatDuration } from '../screen/words.ts';
import type { ShowArguments } from './arguments.ts';

export interface RunsArguments extends ShowArguments {
  action?: string | undefined;
  id?: string | undefined;
}

/** Of more runs than this the newest are shown. */
const MOST_RUNS = 50;

/** `play runs`: what was run from here, newest first. `play runs show ID`: all that it changed. */
export async function showRuns({ action, id, output }: RunsArguments): Promise<number> {
  if (action !== undefined && action !== 'show') {
    throw new InputError(`play runs knows no '${action}'`, { next: 'Say: play runs, or play runs show ID' });
  }
  const runs = readRuns();
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  const json = output === 'json';
  if (action === undefined) {
    for (const run of json ? runs : runs.slice(0, MOST_RUNS)) print(json ? briefJson(run) : runLine(run));
    if (runs.length === 0 && !json) print(`no runs are on record in ${auditFolder()}`);
    return ExitCode.done;
  }
  const run = theRun(runs, id);
  print(json ? JSON.stringify({ type: 'run', ...run }) : runText(run));
  return ExitCode.done;
}

/** By its ID or the beginning of it. @throws InputError where that is none, or several. */
export function theRun(runs: readonly RunRecord[], id: string | undefined): RunRecord {
  const known = { next: 'play runs lists them.' };
  if (!id) throw new InputError('no run was named', { next: 'Say: play runs show ID. play runs lists them.' });
  const exact = runs.find((one) => one.id === id);
  const found = exact ? [exact] : runs.filter((one) => one.id.startsWith(id));
  if (found.length > 1) throw new InputError(`${found.length} runs begin with ${id}`, known);
  if (!found[0]) throw new InputError(`there is no run ${id} on record`, known);
  return found[0];
}

/** Of a list of runs each is told by how many things it changed. */
function briefJson({ done, ...run }: RunRecord): string {
  return JSON.stringify({ type: 'run', ...run, changes: changesIn(done) });
}

function changesIn(done: RunRecord['done']): number {
  return done.filter(({ status }) => status === 'changed').length;
}

function runText(run: RunRecord): string {
  const lines = run.done.map(
    ({ time, host, task, status, summary }) =>
      `  ${time} ${status}: [${host}] ${task}${summary ? ` (${summary})` : ''}`,
  );
  const hosts = `  hosts: ${run.hosts.join(', ') || 'none'}`;
  return [
    runLine(run),
    `  play ${run.words.join(' ')}`,
    hosts,
    ...(lines.length > 0 ? lines : ['  changed nothing']),
  ].join('\n');
}

function runLine({ id, started, user, playbook, hosts, check, exitCode, durationMs, done }: RunRecord): string {
  const end = exitCode === undefined ? 'not ended' : `exit ${exitCode} after ${formatDuration(durationMs ?? 0)}`;
  return `${id}  ${started}  ${user}  ${playbook}${check ? ' -C' : ''} on ${several(hosts.length, 'host')}: ${several(changesIn(done), 'change')}, ${end}`;
}

function several(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
