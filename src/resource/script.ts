import { readFileSync } from 'node:fs';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, list, type Options, text as words } from '../options.ts';
import { localFile } from './local-file.ts';
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

export interface ScriptWish extends RunConditions {
  /** The script, or … */
  text?: string;
  /** … the file of the control machine that holds it. */
  source?: string;
  /** Its arguments, each as it is. */
  args?: readonly string[];
  /** What it is called on the screen. Default: `source`, or the first line of `text` that does something. */
  name?: string;
}

const OPTIONS: Options<ScriptWish> = {
  text: words,
  source: words,
  args: list(words, 'texts'),
  name: words,
  ...CONDITIONS,
};

/**
 * A script that is run, as a command is. It is run by the interpreter of its first line (`#!`, an absolute path), or by
 * `/bin/sh`, from a file of its own that only its user can read and that is removed afterwards.
 * @throws InputError if its file cannot be read; PlayError where there is no text, or a condition cannot be.
 */
export function script(wish: ScriptWish): Resource {
  const { text: given, source, args = [], name, ...conditions } = checkedOptions('script', wish, OPTIONS);
  if ((given === undefined) === (source === undefined)) {
    throw new PlayError('a script is either a text or the source of one');
  }
  const text = given ?? readFileSync(localFile(source!).path, 'utf8');
  checkConditions(conditions);
  const { user } = conditions;
  const apply = [
    't=$(mktemp)',
    `trap 'rm -f -- "$t"' EXIT`,
    // One that takes too long is ended by a signal, which is no exit; and nobody reads what the shell says of it.
    'trap "exit 129" HUP PIPE',
    `printf %s ${quote(text)} >"$t"`,
    ...(user === undefined ? [] : [`chown ${quote(user)} "$t"`]),
    `( ${surroundings(conditions)}`,
    `exec ${asUser(conditions)}${[...interpreter(text).map(quote), '"$t"', ...args.map(quote)].join(' ')}`,
    ')',
  ].join('\n');
  return {
    kind: 'script',
    id: name ?? source ?? firstWords(text),
    probe: conditionsProbe(conditions),
    follows: true,
    needs: conditionsNeeds(conditions),
    compare: (found) => conditional(conditions, found, apply),
  };
}

/** As the kernel reads it: the program, and all that follows as one argument. */
function interpreter(text: string): string[] {
  const [, program, argument] = /^#![ \t]*(\/[^ \t\n]*)[ \t]*([^\n]*?)[ \t\r]*(?:\n|$)/.exec(text) ?? [];
  return program === undefined ? ['/bin/sh'] : [program, ...(argument ? [argument] : [])];
}

function firstWords(text: string): string {
  const lines = text.split('\n').filter((line) => /^\s*[^#\s]/.test(line));
  return (lines.find((line) => !SETTING.test(line)) ?? lines[0] ?? 'script').trim().slice(0, 60);
}

/** Options of the shell, as nearly all scripts begin with. */
const SETTING = /^\s*set\s[^;&|]*;?\s*$/;
