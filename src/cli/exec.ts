import { quote } from '../connection/quote.ts';
import { InputError, PlayError } from '../errors.ts';
import { type Playbook, play, playbook, step } from '../runner/playbook.ts';

/** Scripts of playbooks run in `/`; who gives a command by hand is at home, as with ssh. A home that is not there is no error. */
const AT_HOME = 'cd "${HOME:-/}" 2>/dev/null';

/** `play exec PATTERN -- COMMAND`: one command on every host; what it printed stands under the host's name. */
export function execPlaybook(
  pattern: string,
  words: readonly string[],
  become: boolean,
  timeoutMs = Number.POSITIVE_INFINITY,
): Playbook {
  if (words.length === 0) {
    throw new InputError('there is no command to run', { next: 'Say: play exec etcd -i hosts.ini -- uptime' });
  }
  // One word is a command line of sh, as with ssh; several are a command and its arguments, each as it is.
  const command = words.length === 1 ? words[0]! : words.map(quote).join(' ');
  return playbook({
    name: 'exec',
    description: 'run a command on hosts',
    hosts: pattern,
    become,
    lock: false,
    plays: (run) => [
      play(command, {
        gather: true,
        tasks: [
          step(command, async ({ host, connect }) => {
            const { code, stdout, stderr } = await (await connect()).run(`${AT_HOME}\n${command}`, { timeoutMs });
            const said = [stdout, stderr].map((text) => text.trimEnd()).filter(Boolean);
            run.say([`${host} (exit ${code})`, ...said].join('\n'), 'info', { host, code, stdout, stderr });
            if (code !== 0) throw new PlayError(`ended with exit status ${code}`);
            return { changed: true };
          }),
        ],
      }),
    ],
  });
}

/** `play ping PATTERN`: can every host be logged in to, and become root where that is asked for? Changes nothing. */
export function pingPlaybook(pattern: string, become: boolean): Playbook {
  return playbook({
    name: 'ping',
    description: 'log in to hosts',
    hosts: pattern,
    become,
    lock: false,
    plays: () => [
      play('Ping', {
        gather: true,
        tasks: [
          step(
            'Host answers',
            async ({ connect }) => {
              const { stdout, durationMs } = await (await connect()).run('id -un; uname -n');
              const [user, name] = stdout.trim().split('\n');
              return { summary: `${user} on ${name}, ${durationMs.toFixed(1)} ms` };
            },
            { check: 'run' },
          ),
        ],
      }),
    ],
  });
}
