import { InputError, PlayError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { selectHosts } from '../inventory/pattern.ts';
import { DeclaredVariables } from '../variables/read.ts';
import { checkTasks, hostsFor, oneByOne } from './checked-plays.ts';
import type { Play, Playbook, Plays, RunContext, Task } from './playbook.ts';
import { type Choice, Selection } from './tags.ts';

export interface OutlinedPlay {
  name: string;
  /** Undefined: known only when the play begins. */
  hosts: readonly string[] | undefined;
  tasks: readonly Task[] | undefined;
  tags: readonly string[];
}

export interface Outline {
  playbook: string;
  hosts: readonly string[];
  plays: OutlinedPlay[];
  /** Tags that were asked for and that no task has. */
  doubts: readonly string[];
}

/** What a playbook would do on which hosts, as far as it is known without looking at any. Nothing is connected to. */
export async function outline(
  playbook: Playbook,
  inventory: Inventory,
  { limit, choice, inventoryDir }: { limit: string | undefined; choice: Choice; inventoryDir: string },
): Promise<Outline> {
  const allHosts = hostsFor(playbook, inventory);
  const hosts = selectHosts(inventory, playbook.hosts, limit);
  const variables = new DeclaredVariables(playbook.variables ?? {}, (host) => inventory.varsOf(host));
  variables.check(hosts);
  const context: RunContext = {
    inventory,
    allHosts,
    hosts,
    check: true,
    diff: false,
    templateDirs: [],
    inventoryDir,
    signal: new AbortController().signal,
    varsOf: (host) => inventory.varsOf(host),
    valuesOf: (host) => variables.valuesOf(host),
    value: (name) => variables.value(name, hosts),
    connect: () => Promise.reject(new PlayError('nothing is connected to for an outline')),
    onEnd: () => undefined,
    say: () => undefined,
    confirm: () => Promise.resolve(),
    askSecret: () => Promise.resolve(undefined),
  };
  const plays: OutlinedPlay[] = [];
  const selection = new Selection(choice);
  for await (const play of knownPlays(await playbook.plays(context))) {
    const tags = play.tags ?? [];
    const made = await known(() => (typeof play.tasks === 'function' ? play.tasks() : play.tasks));
    if (made) checkTasks(play, made);
    plays.push({
      name: play.name,
      hosts: await known(() => (typeof play.hosts === 'function' ? play.hosts() : (play.hosts ?? hosts))),
      tasks: made && selection.of(made, tags),
      tags,
    });
  }
  // What is made later may have what is asked for.
  const isKnown = plays.every(({ tasks }) => tasks !== undefined);
  const { error, doubts } = isKnown ? selection.complaints() : { doubts: [] };
  if (error) throw error;
  return { playbook: playbook.name, hosts, plays, doubts };
}

/** Those that are known before anything was looked at: a generator ends where it asks for more. */
async function* knownPlays(plays: Plays): AsyncGenerator<Play> {
  const isGenerator = Symbol.asyncIterator in Object(plays);
  try {
    yield* oneByOne(plays);
  } catch (error) {
    if (!isGenerator || error instanceof InputError) throw error;
  }
  if (isGenerator) yield { name: 'what was decided', tasks: () => Promise.reject(new Error('not known yet')) };
}

/** A play may compute these from what an earlier one saw. */
async function known<T>(compute: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await compute();
  } catch {
    return undefined;
  }
}
