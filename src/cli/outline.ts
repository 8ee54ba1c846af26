import { ExitCode } from '../errors.ts';
import type { Outline, OutlinedPlay } from '../runner/outline.ts';

export interface OutlineWanted {
  listHosts: boolean;
  listTasks: boolean;
  listTags: boolean;
  json: boolean;
}

/** `--list-hosts`, `--list-tasks`, `--list-tags`, `--syntax-check`: says what would be run, and runs nothing. */
export function printOutline(outline: Outline, wanted: OutlineWanted): number {
  for (const doubt of outline.doubts) process.stderr.write(`WARNING ${doubt}\n`);
  process.stdout.write(`${wanted.json ? outlineLine(outline) : outlineText(outline, wanted)}\n`);
  return ExitCode.done;
}

/** All of it as one line of JSON; `null` is for what is known only when the play begins. */
export function outlineLine({ playbook, hosts, plays, doubts }: Outline): string {
  return JSON.stringify({
    type: 'outline',
    playbook,
    hosts,
    warnings: doubts,
    plays: plays.map(({ name, hosts: own = null, tags, tasks }) => ({
      name,
      hosts: own,
      tags,
      tasks: tasks?.map((task) => ({ name: task.name, tags: task.tags ?? [] })) ?? null,
    })),
  });
}

export function outlineText({ playbook, hosts, plays }: Outline, wanted: Omit<OutlineWanted, 'json'>): string {
  const lines = [`playbook: ${playbook}`];
  if (wanted.listHosts) lines.push(`  hosts (${hosts.length}):`, ...hosts.map((host) => `    ${host}`));
  if (wanted.listTasks || wanted.listTags) lines.push(...plays.flatMap((play) => playLines(play, wanted)));
  return lines.join('\n');
}

function playLines(
  { name, tags, tasks }: OutlinedPlay,
  { listTasks, listTags }: Omit<OutlineWanted, 'json'>,
): string[] {
  const lines = [`  play: ${name}${tagText(tags)}`];
  if (listTags) {
    const all = new Set([...tags, ...(tasks ?? []).flatMap((task) => task.tags ?? [])]);
    lines.push(`    tags: ${[...all].sort().join(', ') || 'none'}`);
  }
  if (!listTasks) return lines;
  if (!tasks) return [...lines, '    (made when the play begins, from what was seen)'];
  return [...lines, ...tasks.map((task) => `    ${task.name}${tagText(task.tags ?? [])}`)];
}

function tagText(tags: readonly string[]): string {
  return tags.length > 0 ? `  [${tags.join(', ')}]` : '';
}
