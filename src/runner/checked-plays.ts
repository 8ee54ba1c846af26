import { InputError, PlayError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { selectHosts } from '../inventory/pattern.ts';
import { suggest } from '../inventory/suggest.ts';
import { placedWhereMade } from './making.ts';
import type { Play, Playbook, Plays, Task } from './playbook.ts';
import { type Choice, isWhole } from './tags.ts';

/** @throws InputError for what is no list of plays: no compiler may have looked at the playbook. */
export async function* oneByOne(plays: Plays): AsyncGenerator<Play> {
  if (!(Symbol.iterator in Object(plays) || Symbol.asyncIterator in Object(plays)) || typeof plays === 'string') {
    throw new InputError('plays(run) of the playbook must give a list of plays', {
      next: "plays: () => [play('…', …)]",
    });
  }
  for await (const play of plays) {
    if (typeof play?.name === 'string' && (Array.isArray(play.tasks) || typeof play.tasks === 'function')) yield play;
    else
      throw new InputError('plays(run) of the playbook gives what is no play', { next: "Make plays by play('…', …)." });
  }
}

/** @throws PlayError for what is no task, or no handler. */
export function checkTasks(play: Play, tasks: readonly Task[]): void {
  const { name, handlers = [] } = play;
  if (!areOf(tasks, ['resources', 'host', 'once'])) {
    const next = 'Make tasks by task(), step() or once().';
    throw placedWhereMade(new PlayError(`the play '${name}' has what is no task`, { next }), play);
  }
  if (!areOf(handlers, ['resources', 'host'])) {
    const next = 'Make handlers by task() or step().';
    throw placedWhereMade(new PlayError(`the play '${name}' has what is no handler`, { next }), play);
  }
}

function areOf(tasks: readonly Task[], kinds: readonly Task['kind'][]): boolean {
  return Array.isArray(tasks) && tasks.every((task: Task | undefined) => task && kinds.includes(task.kind));
}

/**
 * @throws PlayError for a handler that is notified and does not come: because the play has none of that name, or because
 * its turn is over when another handler notifies it. It would be forgotten in silence.
 */
export function checkHandlers({ name, handlers = [] }: Play, tasks: readonly Task[]): void {
  const known = new Set(handlers.map((handler) => handler.name));
  for (const [index, handler] of handlers.entries()) {
    const over = handlers.slice(0, index + 1).find((one) => notifiedBy(handler).includes(one.name));
    if (!over) continue;
    const message = `the handler [${handler.name}] notifies '${over.name}', which does not come after it`;
    const next =
      over === handler ? 'It cannot notify itself.' : `Put '${over.name}' behind it: handlers run in their order.`;
    throw placedWhereMade(new PlayError(message, { next }), handler);
  }
  for (const task of [...tasks, ...handlers]) {
    const unknown = notifiedBy(task).find((handler) => !known.has(handler));
    if (unknown === undefined) continue;
    const near = suggest(unknown, known);
    const next = near ? `Did you mean '${near}'?` : `The play's handlers are: ${[...known].join(', ') || 'none'}.`;
    const message = `[${task.name}] notifies '${unknown}', and the play '${name}' has no such handler`;
    throw placedWhereMade(new PlayError(message, { next }), task);
  }
}

function notifiedBy(task: Task): readonly string[] {
  return task.kind === 'once' ? [] : [task.notify ?? []].flat();
}

/** @throws InputError for a part of a playbook that is one work: what is left out might be what the rest relies on. */
export function checkChoice({ name, whole = false }: Playbook, choice: Choice): void {
  if (!whole || isWhole(choice)) return;
  throw new InputError(`${name} is run as a whole: its tasks rely on each other`, {
    next: 'Leave out --tags, --skip-tags and --start-at-task. With -C nothing is touched.',
  });
}

/** @throws InputError saying what the playbook is for, where the inventory has no such hosts. */
export function hostsFor({ name, hosts }: Playbook, inventory: Inventory): string[] {
  try {
    return selectHosts(inventory, hosts);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    const next = `Put its hosts under [${hosts}]. ${cause.next ?? ''}`.trim();
    throw new InputError(`${name} is for the hosts of '${hosts}', and the inventory names none`, { next, cause });
  }
}
