import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { InputError } from '../errors.ts';

/** Asks for a secret on the terminal without showing it. @throws InputError where there is no terminal. */
export function askSecret(question: string): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new InputError('a password is to be asked for, but there is no terminal', {
      next: 'Set ansible_password or ansible_become_password in the inventory instead.',
    });
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  // Only now: the terminal shows what is typed until the line above.
  process.stderr.write(question);
  return new Promise((resolve, reject) => {
    lines.once('SIGINT', () => {
      lines.close();
      reject(new InputError('interrupted while asking for a password'));
    });
    lines.question('', (answer) => {
      process.stderr.write('\n');
      lines.close();
      resolve(answer);
    });
  });
}

/** Asks for a word to be typed as it is; anything else is a no. */
export function askWord(question: string, word: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  return new Promise((resolve) => {
    lines.once('SIGINT', () => {
      process.stderr.write('\n');
      lines.close();
      resolve(false);
    });
    lines.question(`${question}\nType ${word} to go on: `, (answer) => {
      lines.close();
      resolve(answer.trim() === word);
    });
  });
}

/** Asks before a task, in Ansible's words; whoever interrupts it interrupts the run. */
export function askTask(task: string): Promise<'yes' | 'no' | 'continue'> {
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: true });
  return new Promise((resolve) => {
    let answer: 'yes' | 'no' | 'continue' = 'no';
    lines.once('SIGINT', () => {
      process.stderr.write('\n');
      // At once, so that the run has heard of it before this answer comes.
      process.emit('SIGINT');
      lines.close();
    });
    lines.once('close', () => resolve(answer));
    lines.question(`Perform task: ${task} (N)o/(y)es/(c)ontinue: `, (words) => {
      const [sign = 'n'] = words.trim().toLowerCase();
      answer = sign === 'y' ? 'yes' : sign === 'c' ? 'continue' : 'no';
      lines.close();
    });
  });
}
