import { asPlayError, describeError, InputError, type PlayError } from '../errors.ts';
import { legible } from '../screen/legible.ts';
import { conceal } from '../secret.ts';

/** The words of the command line are not as they should be. */
export class UsageError extends InputError {
  override readonly name = 'InputError';

  constructor(message: string) {
    super(message, { next: 'See: play --help' });
  }
}

/** What went wrong before there was a run, in words; and as an event, for who reads events. Gives the exit code. */
export async function tellError(thrown: unknown, json: boolean): Promise<number> {
  const error: PlayError = asPlayError(thrown);
  process.stderr.write(`ERROR ${legible(conceal(describeError(error)))}\n`);
  if (json) {
    const { errorLine } = await import('../screen/json.ts');
    process.stdout.write(`${errorLine(error)}\n`);
  }
  return error.exitCode;
}

/** Whether JSON is asked for: the words may be such that no parser got to that. */
export function wantsJson(words: readonly string[], otherwise = false): boolean {
  const own = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  const given = own.flatMap((word, index) => {
    if (word === '--output') return [own[index + 1]];
    return word.startsWith('--output=') ? [word.slice('--output='.length)] : [];
  });
  return given.length > 0 ? given.at(-1) === 'json' : otherwise;
}
