import { InputError } from '../errors.ts';
import { globMatcher } from '../inventory/glob.ts';
import { suggest } from '../inventory/suggest.ts';
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

export function isWhole({ tags, skipTags, startAt }: Choice): boolean {
  return tags.every((tag) => tag === 'all') && skipTags.length === 0 && startAt === undefined;
}

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

/** What all tags may be without any task having them. */
const SPECIAL = ['all', 'tagged', 'untagged', 'always', 'never'];

/** Applies a choice to play after play, and knows at the end what of it fitted nothing. */
export class Selection {
  readonly #choice: Choice;
  readonly #starts: (name: string) => boolean;
  readonly #names = new Set<string>();
  readonly #tags = new Set<string>();
  #begun: boolean;

  constructor(choice: Choice) {
    this.#choice = choice;
    this.#begun = choice.startAt === undefined;
    // As in Ansible, it may be a shell pattern.
    this.#starts = globMatcher(choice.startAt ?? '*');
  }

  /** The tasks of the next play that are to be run. Where the run starts at a task, what comes before it is left out. */
  of(tasks: readonly Task[], playTags: readonly string[]): Task[] {
    for (const tag of playTags) this.#tags.add(tag);
    for (const { name, tags = [] } of tasks) {
      this.#names.add(name);
      for (const tag of tags) this.#tags.add(tag);
    }
    const wanted = chosen(tasks, playTags, this.#choice);
    if (this.#begun) return wanted;
    const at = tasks.findIndex(({ name }) => name === this.#choice.startAt || this.#starts(name));
    this.#begun = at >= 0;
    const left = new Set(tasks.slice(at < 0 ? tasks.length : at));
    return wanted.filter((task) => left.has(task));
  }

  /** Once all plays have been seen: an error where the task to start at is none, and doubts about tags that none has. */
  complaints(): { error?: InputError; doubts: string[] } {
    const { tags, startAt } = this.#choice;
    const doubts = tags
      .filter((tag) => !this.#tags.has(tag) && !SPECIAL.includes(tag))
      .map((tag) => `no task has the tag ${tag}${hint(tag, this.#tags)}`);
    if (this.#begun || startAt === undefined) return { doubts };
    const near = suggest(startAt, this.#names);
    const next = near ? `Did you mean '${near}'?` : 'See what there is: --list-tasks';
    return { error: new InputError(`no task is named '${startAt}', so nothing was run`, { next }), doubts };
  }
}

function hint(tag: string, known: Iterable<string>): string {
  const near = suggest(tag, known);
  return near ? `. Did you mean ${near}?` : '';
}
