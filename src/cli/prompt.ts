import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { InputError } from '../errors.ts';

/** What came in place of an answer: Ctrl-C, or the end of the input (Ctrl-D, a terminal that is gone). */
type NoAnswer = 'interrupted' | 'ended';

/**
 * Asks for a secret on the terminal without showing it.
 * @param otherwise what to do where nobody can be asked
 * @throws InputError where there is no terminal, and where no answer came.
 */
export async function askSecret(question: string, otherwise: string): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new InputError('a password is to be asked for, but there is no terminal', { next: otherwise });
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const answer = await ask(silent, '', () => process.stderr.write(question));
  process.stderr.write('\n');
  if (typeof answer === 'string') return answer;
  const why =
    answer.none === 'ended'
      ? 'the input ended where a password was asked for'
      : 'interrupted while asking for a password';
  throw new InputError(why, answer.none === 'ended' ? { next: `Type it, or: ${otherwise}` } : {});
}

/** Asks for a word to be typed as it is; anything else is a no. */
export async function askWord(question: string, word: string): Promise<boolean> {
  const answer = await ask(process.stderr, `${question}\nType ${word} to go on: `);
  if (typeof answer === 'string') return answer.trim() === word;
  process.stderr.write('\n');
  return false;
}

/** Asks before a task, in Ansible's words; whoever interrupts it, or ends the input, interrupts the run. */
export async function askTask(task: string): Promise<'yes' | 'no' | 'continue'> {
  const answer = await ask(process.stderr, `Perform task: ${task} (N)o/(y)es/(c)ontinue: `, undefined, () => {
    process.stderr.write('\n');
    // At once, so that the run has heard of it before this answer comes.
    process.emit('SIGINT');
  });
  const [sign = 'n'] = typeof answer === 'string' ? answer.trim().toLowerCase() : '';
  return sign === 'y' ? 'yes' : sign === 'c' ? 'continue' : 'no';
}

/** The line that is typed, or why there is none. */
function ask(
  output: NodeJS.WritableStream,
  question: string,
  /** Called when the terminal shows what is typed no more. */
  ready?: () => void,
  onNone?: () => void,
): Promise<string | { none: NoAnswer }> {
  return new Promise((resolve) => {
    const none = (why: NoAnswer) => {
      onNone?.();
      resolve({ none: why });
    };
    // Its end is told only once.
    if (process.stdin.readableEnded || process.stdin.destroyed) return none('ended');
    // A terminal that hung up answers each wish with an error; what counts is that it is closed then.
    const onError = () => undefined;
    const onGone = () => lines.close();
    process.stdin.on('error', onError).on('close', onGone);
    const lines = createInterface({ input: process.stdin, output, terminal: true });
    let answer: string | undefined;
    let interrupted = false;
    lines.on('error', onError);
    lines.once('SIGINT', () => {
      interrupted = true;
      lines.close();
    });
    lines.once('close', () => {
      process.stdin.off('error', onError).off('close', onGone);
      if (answer !== undefined) resolve(answer);
      else none(interrupted ? 'interrupted' : 'ended');
    });
    ready?.();
    lines.question(question, (words) => {
      answer = words;
      lines.close();
    });
  });
}
