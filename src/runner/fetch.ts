import { PlayError } from '../errors.ts';
import { checkedOptions, mode, needed, type Options, text } from '../options.ts';
import { type FetchWish, fetchFile, lookAtSource } from '../resource/fetch.ts';
import { placedWhereMade } from './making.ts';
import { type HostContext, type HostTask, type StepOptions, step } from './playbook.ts';

export interface FetchOptions extends Omit<StepOptions, 'check'> {
  /** A file that is not there skips the task on that host. Default: it is an error. */
  optional?: boolean;
}

const WISH: Options<FetchWish> = { path: needed(text), dest: needed(text), mode };

/**
 * A task that brings a file of each host to the control machine, where the sum differs from what is there. Check mode
 * fetches nothing and says what it would; where the file is not there yet, that is unknown.
 * @example fetch('Log is here', ({ host }) => ({ path: '/var/log/syslog', dest: `logs/${host}/syslog` }))
 */
export function fetch(
  name: string,
  wish: (context: HostContext) => FetchWish,
  { optional = false, ...options }: FetchOptions = {},
): HostTask {
  const takenBy = new Map<string, string>();
  const task: HostTask = step(
    name,
    async (context) => {
      const wanted = checked(wish(context), task);
      const { path, dest } = wanted;
      const other = takenBy.get(dest);
      if (other !== undefined && other !== context.host) {
        throw new PlayError(`${dest} is where the file of ${other} goes, too`, {
          next: "Put the host's name in `dest`.",
        });
      }
      takenBy.set(dest, context.host);
      const connection = await context.connect();
      const found = await lookAtSource(connection, wanted);
      if (!found && optional) return { skipped: true, summary: `${path} is not there` };
      if (!found && context.run.check) return { unknown: true, summary: `${path} is not there yet` };
      if (!found) throw new PlayError(`${path} is not there`, { next: 'Look at what makes it, then run again.' });
      if (found.isHere) return { changed: false };
      const { check } = context.run;
      if (!check) await fetchFile(connection, wanted, found, (done) => context.progress(done, found.sizeBytes));
      const before = found.keptBytes > 0 ? `, ${found.keptBytes} of them here already` : '';
      return { changed: true, summary: `${dest}, ${found.sizeBytes} bytes${before}` };
    },
    { ...options, check: 'run' },
  );
  return task;
}

/** @throws PlayError that names the line of the playbook. */
function checked(wish: FetchWish, task: HostTask): FetchWish {
  try {
    return checkedOptions('fetch', wish, WISH);
  } catch (error) {
    throw placedWhereMade(error, task);
  }
}
