import { dirname } from 'node:path';
import { ExitCode, InputError } from '../errors.ts';
import { COMMANDS, type OptionTable, PLAY_OPTIONS } from './options.ts';

/** What may stand at a place of the command line. `files`: the shell knows best. */
export type Completion = 'files' | readonly string[];

/** Names that only the machine knows; each is asked for only where it is wanted. */
export interface KnownNames {
  playbooks(): readonly string[] | Promise<readonly string[]>;
  /** Hosts and groups of these inventories. */
  hosts(inventories: readonly string[]): readonly string[] | Promise<readonly string[]>;
  runs(): readonly string[] | Promise<readonly string[]>;
}

const FILES = ['inventory', 'vault-password-file', 'private-key', 'playbook-dir'];

/** What fits in place of the last word, which may be empty or half typed. */
export async function complete(words: readonly string[], names: KnownNames): Promise<Completion> {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  if (before.includes('--')) return 'files';
  const fitting = (all: readonly string[]) => [...new Set(all)].filter((word) => word.startsWith(current)).sort();
  const { command, positionals, inventories, open } = understood(before);
  const options = command === undefined ? {} : (COMMANDS[command] ?? PLAY_OPTIONS);
  if (open !== undefined) {
    if (FILES.includes(open)) return 'files';
    if (open === 'limit' || open === 'host') return fitting(await names.hosts(inventories));
    return fitting((options[open]?.choices ?? []).map(String));
  }
  if (current.startsWith('-')) return fitting(['--help', ...Object.keys(options).map((name) => `--${name}`)]);
  if (command === undefined) {
    return current.includes('/') ? 'files' : fitting([...(await names.playbooks()), ...Object.keys(COMMANDS)]);
  }
  if (positionals > 0) return command === 'runs' ? fitting(await names.runs()) : [];
  switch (command) {
    case 'exec':
    case 'ping':
      return fitting(['all', ...(await names.hosts(inventories))]);
    case 'inventory':
      return fitting(await names.hosts(inventories));
    case 'runs':
      return fitting(['show']);
    case 'completion':
      return fitting(['bash', 'zsh']);
    default:
      return [];
  }
}

interface Understood {
  /** The command or playbook; undefined where it is still to come. */
  command: string | undefined;
  /** How many words stand behind it. */
  positionals: number;
  inventories: string[];
  /** The option whose value is to come. */
  open: string | undefined;
}

function understood(words: readonly string[]): Understood {
  const found: Understood = { command: undefined, positionals: 0, inventories: [], open: undefined };
  for (const word of words) {
    if (found.open !== undefined) {
      if (found.open === 'inventory') found.inventories.push(word);
      found.open = undefined;
    } else if (word.startsWith('-')) found.open = takingValue(word);
    else if (found.command === undefined) found.command = word;
    else found.positionals++;
  }
  return found;
}

/** The option that a word names, where its value is the next word. */
function takingValue(word: string): string | undefined {
  const all: OptionTable = Object.assign({}, ...Object.values(COMMANDS), PLAY_OPTIONS);
  const given = word.replace(/^--?/, '');
  // Of several short ones in a row only the last can take a value.
  const name = word.startsWith('--') ? given : given.slice(-1);
  const entry = Object.entries(all).find(([long, { alias }]) => long === name || alias === name);
  if (!entry || word.includes('=')) return undefined;
  const [long, { type, choices }] = entry;
  return choices !== undefined || (type !== 'boolean' && type !== 'count') ? long : undefined;
}

/** The words that a shell asks for with `play --complete WORD…`: a line each. */
export async function printCompletions(words: readonly string[]): Promise<number> {
  // Whoever completes is in the middle of a line: what is wrong with it is said when it is run.
  const found = await complete(words, realNames).catch(() => []);
  process.stdout.write(found === 'files' ? ':files\n' : found.map((word) => `${word}\n`).join(''));
  return ExitCode.done;
}

const realNames: KnownNames = {
  async playbooks() {
    const [{ playbooksIn }, { searchFolders }] = await Promise.all([
      import('./load-playbook.ts'),
      import('./folders.ts'),
    ]);
    return searchFolders('playbooks', []).flatMap((folder) => playbooksIn(folder).map(({ name }) => name));
  },
  async hosts(given) {
    const [{ loadInventory }, { readConfigFiles }] = await Promise.all([
      import('../inventory/load.ts'),
      import('./config-file.ts'),
    ]);
    const sources = given.length > 0 ? [...given] : ((readConfigFiles().inventory as string[] | undefined) ?? []);
    if (sources.length === 0) return [];
    const inventory = await loadInventory(sources, { playbookDir: dirname(sources[0]!), keepSealed: true });
    return [...inventory.groups.keys(), ...inventory.hosts.keys()];
  },
  async runs() {
    const { readRuns } = await import('../screen/audit.ts');
    return readRuns().map(({ id }) => id);
  },
};

/** `play completion [bash|zsh]`. */
export function printCompletionScript(shell = shellOf(process.env.SHELL)): number {
  process.stdout.write(shell === 'zsh' ? ZSH : BASH);
  return ExitCode.done;
}

function shellOf(path = ''): 'bash' | 'zsh' {
  const name = path.split('/').at(-1);
  if (name === 'bash' || name === 'zsh') return name;
  throw new InputError(`it is not known how to complete in ${name || 'this shell'}`, {
    next: 'Say: play completion bash, or play completion zsh',
  });
}

const BASH = `# play completes its words in bash. Put into ~/.bashrc: source <(play completion bash)
_play() {
  local words
  words=$("\${COMP_WORDS[0]}" --complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=()
  if [ "$words" = :files ]; then
    compopt -o default
    return
  fi
  local IFS=$'\\n'
  COMPREPLY=($words)
}
complete -F _play play
`;

const ZSH = `#compdef play
# play completes its words in zsh. Put into ~/.zshrc, below compinit: source <(play completion zsh)
_play() {
  local -a found
  found=("\${(@f)$("\${words[1]}" --complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "$found" == :files ]]; then
    _files
  else
    compadd -- $found
  fi
}
compdef _play play
`;
