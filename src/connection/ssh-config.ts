import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { InputError } from '../errors.ts';
import { jumpName, jumpsIn, parseJump } from './jump.ts';
import { type ConnectionDefaults, type ConnectionSettings, connectionSettings, textOf } from './settings.ts';
import { type SshArguments, type SshOptions, sshArguments } from './ssh-arguments.ts';
import { Turns } from './turns.ts';

type Variables = ReadonlyMap<string, { value: unknown; origin: { file: string; line: number } }>;

/** What of ssh_config(5) changes a connection of ours. A file that holds none of it need not be asked. */
const HONOURED = new Set(
  `connecttimeout globalknownhostsfile hashknownhosts hostkeyalias hostname identitiesonly identityagent identityfile
  port proxycommand proxyjump serveraliveinterval stricthostkeychecking user userknownhostsfile`.split(/\s+/),
);

/** `ssh -G` takes 15 ms of a core; more at a time than there are cores gain nothing. */
const ASKED_AT_ONCE = 4;
const ANSWER_TIMEOUT_MS = 20_000;

/**
 * The ssh configuration of whoever runs `play`, as the ssh client itself understands it: `ssh -G` resolves Host, Match,
 * Include and tokens exactly. It is asked once for each distinct host, and not at all where no file has a word to say.
 */
export class SshConfig {
  readonly #answers = new Map<string, Promise<SshOptions>>();
  readonly #turns = new Turns(ASKED_AT_ONCE);
  readonly #userFile = join(homedir(), '.ssh', 'config');
  #spoken: Set<string> | undefined;

  /** A host's settings: its variables above the ssh configuration above the defaults. @throws InputError. */
  async settings(host: string, vars: Variables, defaults: ConnectionDefaults): Promise<ConnectionSettings> {
    const bare = () => connectionSettings(host, vars, defaults);
    if (textOf(vars, 'ansible_connection') === 'local') return bare();
    const given = sshArguments(host, vars);
    if (!this.#isDemanded(given, defaults)) return bare();
    const { address, port, user } = bare();
    const hasUser = textOf(vars, 'ansible_user', 'ansible_ssh_user') !== undefined || defaults.user !== undefined;
    const hasPort = textOf(vars, 'ansible_port', 'ansible_ssh_port') !== undefined;
    const words = [...(hasUser ? ['-o', `User=${user}`] : []), ...(hasPort ? ['-o', `Port=${port}`] : [])];
    for (const [name, values] of given.options) for (const value of values) words.push('-o', `${name}=${value}`);
    const own = await this.#ask(host, address, given.configFile, words);
    const jumps = new Map<string, SshOptions>();
    await this.#gatherJumps(host, own, given.configFile, jumps);
    return connectionSettings(host, vars, defaults, { own, jumps });
  }

  async #gatherJumps(
    host: string,
    options: SshOptions,
    configFile: string | undefined,
    found: Map<string, SshOptions>,
  ): Promise<void> {
    for (const [index, spec] of jumpsIn(options).entries()) {
      const jump = parseJump(spec, host);
      const name = jumpName(jump);
      if (found.has(name)) continue;
      const words = [
        ...(jump.user ? ['-o', `User=${jump.user}`] : []),
        ...(jump.port ? ['-o', `Port=${jump.port}`] : []),
      ];
      const own = await this.#ask(host, jump.address, configFile, words);
      found.set(name, own);
      // Only the first may have jump hosts of its own: each other one is reached through the one before it.
      if (index === 0) await this.#gatherJumps(host, own, configFile, found);
    }
  }

  #isDemanded({ configFile }: SshArguments, { hostKeyChecking }: ConnectionDefaults): boolean {
    if (configFile !== undefined) return configFile !== 'none';
    this.#spoken ??= keywordsOf([this.#userFile, '/etc/ssh/ssh_config']);
    // Debian's own file hashes names; that matters only where a line is to be added.
    return [...this.#spoken].some((word) => word !== 'hashknownhosts' || hostKeyChecking === 'accept-new');
  }

  #ask(host: string, address: string, configFile: string | undefined, words: string[]): Promise<SshOptions> {
    // ssh looks into the home that the system knows; where HOME says otherwise, that one is meant.
    const moved = configFile === undefined && homedir() !== userInfo().homedir;
    const file = configFile ?? (moved && keywordsOf([this.#userFile]).size > 0 ? this.#userFile : undefined);
    const all = ['-G', '-T', ...(file ? ['-F', file] : []), ...words, '--', address];
    const key = JSON.stringify(all);
    let answer = this.#answers.get(key);
    if (!answer) {
      answer = this.#turns.take(() => askSsh(host, all));
      this.#answers.set(key, answer);
    }
    return answer;
  }
}

function askSsh(host: string, words: string[]): Promise<SshOptions> {
  return new Promise((resolve, reject) => {
    execFile('ssh', words, { timeout: ANSWER_TIMEOUT_MS }, (error, stdout, stderr) => {
      if (!error) return resolve(parseAnswer(stdout));
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const why = missing ? 'the ssh client, which reads it, is not installed' : lastLine(stderr) || error.message;
      reject(
        new InputError(`the ssh configuration cannot be read: ${why}`, {
          host,
          cause: error,
          next: missing
            ? 'Install openssh-client, or leave the configuration aside: ansible_ssh_common_args="-F none".'
            : `See: ssh -G ${words.at(-1)}`,
        }),
      );
    });
  });
}

function lastLine(text: string): string {
  // ssh speaks of the terminal that it will not have; that is no reason.
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('Pseudo-terminal'));
  return lines.slice(-2).join(' | ');
}

/** `ssh -G` prints `name value`, one a line, names in lower case. */
export function parseAnswer(text: string): SshOptions {
  const options = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const at = line.indexOf(' ');
    if (at < 1) continue;
    const name = line.slice(0, at);
    const value = line.slice(at + 1).trim();
    options.set(name, [...(options.get(name) ?? []), value]);
  }
  return options;
}

/** The keywords in these files, and in those they include, that matter to us. */
function keywordsOf(files: readonly string[], depth = 0): Set<string> {
  const found = new Set<string>();
  for (const file of files) {
    for (const line of linesOf(file)) {
      const [, keyword = '', rest = ''] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
      const word = keyword.toLowerCase();
      if (HONOURED.has(word)) found.add(word);
      if (word !== 'include' || depth > 8) continue;
      for (const name of rest.split(/\s+/)) {
        for (const inner of keywordsOf(matches(name.replace(/^"|"$/g, ''), dirname(file)), depth + 1)) found.add(inner);
      }
    }
  }
  return found;
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** The files an Include means; of its wildcards only those in the last part are looked at closely. */
function matches(pattern: string, folder: string): string[] {
  const path = pattern.replace(/^~(?=\/)/, homedir());
  const whole = isAbsolute(path) ? path : join(folder, path);
  if (!/[*?[]/.test(basename(whole))) return [whole];
  try {
    const last = new RegExp(
      `^${basename(whole)
        .replace(/[.+^${}()|\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
    );
    return readdirSync(dirname(whole))
      .filter((name) => last.test(name))
      .map((name) => join(dirname(whole), name));
  } catch {
    return [];
  }
}
