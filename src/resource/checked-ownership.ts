import { PlayError } from '../errors.ts';
import { type Ownership, octal } from './path-state.ts';

/** What people mean who write a mode without `0o`. Read as it stands, each would be an odd one. */
const DECIMAL_MODES = new Set([600, 640, 644, 660, 664, 666, 700, 711, 750, 755, 770, 775, 777]);

/**
 * Owner, group and mode as they were given; the owner is root where none was, the group as the owner.
 * @throws PlayError for a mode that is no permission bits, or was meant to be octal, and for names that cannot be.
 */
export function checkedOwnership(wish: Partial<Ownership> & Pick<Ownership, 'mode'>, path: string): Ownership {
  const { owner = 'root', group = wish.owner ?? 'root', mode } = wish;
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o7777) {
    throw new PlayError(`${path}: ${mode} is no mode`, { next: 'Write permission bits such as 0o644.' });
  }
  if (DECIMAL_MODES.has(mode)) {
    throw new PlayError(`${path}: the mode ${mode} is 0o${octal(mode)}`, {
      next: `Write 0o${mode} for an octal mode.`,
    });
  }
  for (const name of [owner, group]) {
    if (/^\d*$|[:\p{Cc}]/u.test(name)) {
      throw new PlayError(`${path} cannot belong to '${name}'`, {
        next: 'Give the name of a user or group of the host.',
      });
    }
  }
  return { owner, group, mode };
}
