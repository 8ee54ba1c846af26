import type { Task } from './playbook.ts';

/** What the command line chose of a playbook. */
export interface Choice {
  /** Empty: all. */
  tags: readonly string[];
  skipTags: readonly string[];
  /** Leave out all tasks before the first of this name. */
  startAt?: string;
}

export const EVERYTHING: Choice = { tags: [], skipTags: [] };

/** The tasks to run, as Ansible chooses them: `always` unless it is skipped, `never` only when one of its tags is named. */
export function chosen(tasks: readonly Task[], playTags: readonly string[], { tags, skipTags }: Choice): Task[] {
  return tasks.filter((task) => {
    const own = new Set([...playTags, ...(task.tags ?? [])]);
    const has = (wanted: readonly string[]) =>
      wanted.some(
        (tag) => own.has(tag) || (tag === 'tagged' && own.size > 0) || (tag === 'untagged' && own.size === 0),
      );
    if (has(skipTags) || (skipTags.includes('all') && !own.has('always'))) return false;
    if (own.has('never') && !has(tags.filter((tag) => tag !== 'all'))) return false;
    return tags.length === 0 || tags.includes('all') || own.has('always') || has(tags);
  });
}

/** Leaves out tasks until one has the name that the run starts at; stays open from then on, over all plays. */
export function startingAt(name: string | undefined): (tasks: readonly Task[]) => readonly Task[] {
  let begun = name === undefined;
  return (tasks) => {
    if (begun) return tasks;
    const at = tasks.findIndex((task) => task.name === name);
    begun = at >= 0;
    return begun ? tasks.slice(at) : [];
  };
}
