import { InputError } from '../errors.ts';

/** Options of ssh_config(5) by their lower-case names. Most have one value; IdentityFile has one for each line. */
export type SshOptions = ReadonlyMap<string, readonly string[]>;

export interface SshArguments {
  options: SshOptions;
  /** `-F`: the configuration file to read instead of the user's and the system's; `none` reads none. */
  configFile: string | undefined;
}

type Variables = ReadonlyMap<string, { value: unknown; origin: { file: string; line: number } }>;

/** In the order in which Ansible puts them on ssh's command line, where the first to name an option wins. */
const ARGUMENT_VARIABLES = ['ansible_ssh_args', 'ansible_ssh_common_args', 'ansible_ssh_extra_args'];

const FLAGS: Record<string, string> = { i: 'identityfile', p: 'port', l: 'user', J: 'proxyjump' };

/** Flags of terminals, forwardings and sharing that mean nothing to a connection of ours. */
const IDLE_FLAGS = /^-[46AaCKkqTtvXxYy]+$/;

/** What stands in Ansible's ssh argument variables. @throws InputError naming the variable's file and line. */
export function sshArguments(host: string, vars: Variables): SshArguments {
  const options = new Map<string, string[]>();
  let configFile: string | undefined;
  const set = (name: string, value: string) => {
    const key = name.toLowerCase();
    // Of a jump host and a proxy command the first counts, as if they were one option.
    if ((key === 'proxyjump' && options.has('proxycommand')) || (key === 'proxycommand' && options.has('proxyjump')))
      return;
    if (key === 'identityfile') options.set(key, [...(options.get(key) ?? []), value]);
    else if (!options.has(key)) options.set(key, [value]);
  };
  for (const name of ARGUMENT_VARIABLES) {
    const given = vars.get(name);
    if (given === undefined || given.value === null) continue;
    const refuse = (what: string): never => {
      throw new InputError(`${name} ${what}`, {
        host,
        file: given.origin.file,
        line: given.origin.line,
        next: 'Understood are -o Name=value, -i FILE, -p PORT, -l USER, -J JUMP and -F FILE.',
      });
    };
    const words = splitArguments(String(given.value));
    for (let at = 0; at < words.length; at++) {
      const word = words[at]!;
      const letter = /^-[oiplJFS]/.test(word) ? word[1]! : undefined;
      if (!letter) {
        if (IDLE_FLAGS.test(word)) continue;
        return refuse(`holds ${word}, which is not understood`);
      }
      const value = word.length > 2 ? word.slice(2) : words[++at];
      if (value === undefined) return refuse(`ends after -${letter}, which needs a value`);
      if (letter === 'F') configFile ??= value;
      else if (letter === 'o') {
        const pair = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.+)$/s.exec(value);
        if (!pair) return refuse(`holds -o ${value}, which is not Name=value`);
        set(pair[1]!, pair[2]!.trim().replace(/^"(.*)"$/s, '$1'));
      } else if (letter !== 'S') set(FLAGS[letter]!, value);
    }
  }
  return { options, configFile };
}

/** Splits as a shell would: quotes and backslashes are taken off, nothing is expanded. */
export function splitArguments(text: string): string[] {
  const words: string[] = [];
  for (const [raw] of text.matchAll(/(?:[^\s"'\\]+|\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"|'[^']*')+/g)) {
    words.push(
      raw.replace(/\\([\s\S])|"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'/g, (_, escaped, double, single) => {
        if (escaped !== undefined) return escaped;
        return double !== undefined ? double.replace(/\\(["\\$`])/g, '$1') : single;
      }),
    );
  }
  return words;
}
