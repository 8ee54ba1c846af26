import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { BecomeError } from './errors.ts';
import { quote } from './quote.ts';
import type { ConnectionSettings } from './settings.ts';

export interface ShellCommand {
  command: string;
  /** Set when a password is at hand: sudo may ask with `prompt`, and the shell prints `ready` once it is there. */
  challenge: { prompt: string; ready: string } | undefined;
}

/** The command line that ends in a `/bin/sh` as the wanted user; it holds no password. */
export function shellCommand(settings: ConnectionSettings): ShellCommand {
  if (!settings.become) return { command: 'exec /bin/sh', challenge: undefined };
  const nonce = randomBytes(9).toString('hex');
  const challenge = settings.becomePassword ? { prompt: `ask-${nonce}:`, ready: `ready-${nonce}` } : undefined;
  const user = quote(settings.becomeUser);
  const shell = challenge ? `/bin/sh -c ${quote(`echo ${challenge.ready}; exec /bin/sh`)}` : '/bin/sh';
  const sudo = `sudo ${challenge ? `-S -p ${quote(challenge.prompt)}` : '-n'} -u ${user} -- ${shell}`;
  const script = `export LC_ALL=C; if [ "$(id -un)" = ${user} ]; then exec ${shell}; else exec ${sudo}; fi`;
  return { command: `exec /bin/sh -c ${quote(script)}`, challenge };
}

/**
 * Waits until the shell is there and answers sudo's prompt once on the way. A second prompt means that the password was
 * wrong: it is not tried again, since wrong attempts lock accounts. Nothing else may be written before: sudo would take
 * it for the password.
 */
export function passChallenge(
  settings: ConnectionSettings,
  { prompt, ready }: { prompt: string; ready: string },
  { stdin, stdout, stderr }: { stdin: Writable; stdout: Readable; stderr: Readable },
): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    let complaints = '';
    let answered = false;
    const onOut = (chunk: Buffer) => {
      said += chunk.toString('latin1');
      if (said.includes(ready)) finish(resolve);
    };
    const onErr = (chunk: Buffer) => {
      complaints += chunk.toString('latin1');
      const prompts = complaints.split(prompt).length - 1;
      if (prompts > 1) {
        stdin.end();
        finish(() => reject(wrongPassword(settings)));
      } else if (prompts === 1 && !answered) {
        answered = true;
        stdin.write(`${settings.becomePassword?.reveal()}\n`);
      }
    };
    const onClose = () => finish(() => reject(becomeFailure(settings, complaints.replaceAll(prompt, ''), undefined)));
    const finish = (then: () => void) => {
      stdout.off('data', onOut).off('close', onClose);
      stderr.off('data', onErr);
      then();
    };
    stdout.on('data', onOut).on('close', onClose);
    stderr.on('data', onErr);
  });
}

function wrongPassword(settings: ConnectionSettings): BecomeError {
  return new BecomeError(`sudo refused the password of ${settings.user}`, {
    host: settings.host,
    next: 'It was tried once and not again. Give the right one with -K or ansible_become_password.',
  });
}

/** Turns what a shell said before it could run anything into the reason why we are not root. */
export function becomeFailure(settings: ConnectionSettings, stderr: string, code: number | undefined): BecomeError {
  const { host, user, becomeUser } = settings;
  const say = (message: string, next: string) => new BecomeError(message, { host, next });
  if (/incorrect password|[Ss]orry, try again/.test(stderr)) return wrongPassword(settings);
  if (/not in the sudoers|may not run sudo|not allowed to (execute|run)/.test(stderr)) {
    return say(
      `${user} has no sudo rights on this host`,
      `Give ${user} the right to run commands as ${becomeUser}, or set ansible_user to one who may.`,
    );
  }
  if (/password is required|no password was provided|a terminal is required/.test(stderr)) {
    return say(
      `${user} may not become ${becomeUser} by sudo without a password`,
      'Give the password with -K or ansible_become_password, or give the user password-less sudo rights.',
    );
  }
  if (/not found|No such file/.test(stderr) && /sudo/.test(stderr)) {
    return say('sudo is not installed on this host', 'Install sudo there, or log in as root (ansible_user=root).');
  }
  if (/you must have a tty|requiretty/.test(stderr)) {
    return say('sudo asks for a terminal (requiretty)', `Switch requiretty off for ${user} in sudoers.`);
  }
  const words = stderr || `exit status ${code ?? 'unknown'}`;
  return say(`no shell as ${becomeUser} could be opened: ${words}`, `Try: ssh ${user}@${settings.address} sudo -v`);
}
