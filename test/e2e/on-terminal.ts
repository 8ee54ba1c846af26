import { spawn } from 'node:child_process';
import { quote } from '../../src/connection/quote.ts';
import { PLAY, type PlayOptions, type PlayResult } from './play.ts';

/** Runs `play` on a terminal of its own, as util-linux' `script` makes one, and types each answer when it is asked for. */
export function runOnTerminal(
  args: readonly string[],
  answers: readonly (readonly [asked: string, answer: string])[],
  { cwd, env }: Pick<PlayOptions, 'cwd' | 'env'> = {},
): Promise<PlayResult> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const command = `stty cols 100 rows 40; ${[process.execPath, PLAY, ...args].map(quote).join(' ')}`;
    // In a CI even a terminal is shown plain lines.
    const { CI: _, ...own } = process.env;
    const child = spawn('script', ['-qefc', command, '/dev/null'], { cwd, env: { ...own, ...env } });
    const left = [...answers];
    let text = '';
    let from = 0;
    const note = (chunk: string) => {
      text += chunk;
      const [asked, answer] = left[0] ?? [];
      if (asked === undefined || !text.includes(asked, from)) return;
      from = text.length;
      left.shift();
      // A moment later: the terminal may still be on its way to showing nothing.
      setTimeout(() => child.stdin.write(`${answer}\r`), 100);
    };
    child.stdout.setEncoding('utf8').on('data', note);
    child.stderr.setEncoding('utf8').on('data', note);
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, stdout: text, stderr: '', text, durationMs: performance.now() - started }),
    );
  });
}
