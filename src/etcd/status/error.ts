import { ManyErrors, PlayError, UnreachableError } from '../../errors.ts';
import type { Problem } from './problem.ts';

/** All that is not well as one error; its exit code is 4 where a host cannot be reached, else 2. */
export function notWell(problems: readonly Problem[]): ManyErrors {
  const errors = problems.map(({ kind, host, member, message, next }) => {
    const place = { ...(host === undefined ? {} : { host }), next };
    const who = host === undefined && member !== undefined && kind !== 'unlisted' ? `${member}: ${message}` : message;
    return kind === 'unreachable' ? new UnreachableError(who, place) : new PlayError(who, place);
  });
  return new ManyErrors(`${errors.length === 1 ? 'One thing is' : `${errors.length} things are`} not well:`, errors);
}
