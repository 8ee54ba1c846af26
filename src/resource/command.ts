import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, list, needed, type Options, text } from '../options.ts';
import type { Resource } from './resource.ts';
import {
  asUser,
  CONDITIONS,
  checkConditions,
  conditional,
  conditionsNeeds,
  conditionsProbe,
  type RunConditions,
  surroundings,
} from './run-conditions.ts';

export interface CommandWish extends RunConditions {
  /** The program and its arguments, each as it is: no shell reads them. Whoever may list processes may read them. */
  argv: readonly string[];
}

const OPTIONS: Options<CommandWish> = { argv: needed(list(text, 'texts')), ...CONDITIONS };

/**
 * A program that is run, where its conditions do not keep it from being run. Without one it is run each time, and check
 * mode says `unknown`. A status other than 0 is a failure.
 * @throws PlayError where no program is named, or a condition cannot be.
 */
export function command(wish: CommandWish): Resource {
  const { argv, ...conditions } = checkedOptions('command', wish, OPTIONS);
  const [program = ''] = argv;
  if (program === '' || program.startsWith('-'))
    throw new PlayError(`a command begins with a program, not '${program}'`);
  checkConditions(conditions);
  // By `exec` the first word is a program always, and never a word of the shell.
  const apply = `( ${surroundings(conditions)}\nexec ${asUser(conditions)}${argv.map(quote).join(' ')}\n)`;
  return {
    kind: 'command',
    id: argv.join(' '),
    probe: conditionsProbe(conditions),
    follows: true,
    needs: conditionsNeeds(conditions),
    compare: (found) => conditional(conditions, found, apply),
  };
}
