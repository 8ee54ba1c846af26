import { type PlayError, placed } from '../errors.ts';

const makings = new WeakMap<object, Error>();

/** A play or a task of which it is kept where it was made: what is wrong with it may come to light only when it is run. */
export function made<T extends object>(one: T): T {
  makings.set(one, new Error('made here'));
  return one;
}

/** The same error, with the user's line that made the play or the task. */
export function placedWhereMade(error: unknown, one: object): PlayError {
  return placed(error, makings.get(one));
}
