import { types } from 'node:util';
import { PlayError, placed } from '../errors.ts';
import { inWords } from '../options.ts';
import type { Resource } from '../resource/resource.ts';
import { placedWhereMade } from './making.ts';
import type { HostContext, ResourceTask } from './playbook.ts';

/**
 * What a task wants on a host; undefined where its function returned nothing.
 * @throws PlayError that names the line of the playbook that asks for something impossible.
 */
export function wishesOf(task: ResourceTask, context: HostContext): readonly Resource[] | undefined {
  const given = called(task, context);
  if (given === undefined) return undefined;
  const all: unknown[] = Array.isArray(given) ? given : [given];
  const stray = all.findIndex((one) => typeof (one as Partial<Resource> | null | undefined)?.compare !== 'function');
  if (stray >= 0) throw placedWhereMade(noResource(all[stray], Array.isArray(given)), task);
  return all as Resource[];
}

/** Of whatever type: no compiler may have looked at the playbook. */
function called(task: ResourceTask, context: HostContext): unknown {
  try {
    return task.resources(context);
  } catch (error) {
    throw placed(error);
  }
}

function noResource(given: unknown, isInList: boolean): PlayError {
  if (types.isPromise(given)) {
    // Its failure is not the one to be told of.
    given.catch(() => undefined);
    const next = 'Leave out async; what must be waited for belongs in a step(), or in plays(run).';
    return new PlayError('a task says at once which resources it wants, and this one gives a promise', { next });
  }
  const next = Array.isArray(given)
    ? 'Put its elements there in its place: [...timer(…), file(…)].'
    : isInList && !given
      ? 'Leave it out: [...(isWanted ? [file(…)] : [])].'
      : 'Return what file(), service() and the others give.';
  const place = isInList ? ' in its list' : '';
  return new PlayError(`a task gives resources, and this one has ${inWords(given)}${place}`, { next });
}
