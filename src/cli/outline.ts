import { ExitCode } from '../errors.ts';
import type { OutlinedPlay } from '../runner/outline.ts';

export interface OutlineWanted {
  listHosts: boolean;
  listTasks: boolean;
  listTags: boolean;
}

/** `--list-hosts`, `--list-tasks`, `--list-tags`, `--syntax-check`: says what would be run, and runs nothing. */
export function printOutline(
  name: string,
  { hosts, plays }: { hosts: readonly string[]; plays: readonly OutlinedPlay[] },
  wanted: OutlineWanted,
): number {
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  print(`playbook: ${name}`);
  if (wanted.listHosts) {
    print(`  hosts (${hosts.length}):`);
    for (const host of hosts) print(`    ${host}`);
  }
  if (!wanted.listTasks && !wanted.listTags) return ExitCode.done;
  for (const play of plays) {
    print(`  play: ${play.name}${tagText(play.tags)}`);
    if (wanted.listTags) {
      const tags = new Set([...play.tags, ...(play.tasks ?? []).flatMap((task) => task.tags ?? [])]);
      print(`    tags: ${[...tags].sort().join(', ') || 'none'}`);
    }
    if (!wanted.listTasks) continue;
    if (!play.tasks) print('    (made when the play begins, from what was seen)');
    for (const task of play.tasks ?? []) print(`    ${task.name}${tagText(task.tags ?? [])}`);
  }
  return ExitCode.done;
}

function tagText(tags: readonly string[]): string {
  return tags.length > 0 ? `  [${tags.join(', ')}]` : '';
}
