import { spawn } from 'node:child_process';
import { LabError } from './lab-error.ts';

export interface CommandResult {
  /** Exit status; 124 when the time limit ended the command, 128 when another signal did. */
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  input?: string;
  cwd?: string;
  /** Added to the environment of this process. */
  env?: Record<string, string>;
  timeoutMs?: number;
}

/** Runs a program without a shell and without a terminal, and collects what it says. Throws only when it cannot start. */
export function tryCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: options.env ? { ...process.env, ...options.env } : process.env,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let timedOut = false;
    const timer = options.timeoutMs
      ? setTimeout(() => {
          timedOut = true;
          child.kill('SIGKILL');
        }, options.timeoutMs)
      : undefined;
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(new LabError(`cannot run ${file}: ${cause.message}`, { cause }));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      const stderr = Buffer.concat(err).toString();
      resolve({
        code: timedOut ? 124 : (code ?? 128),
        stdout: Buffer.concat(out).toString(),
        stderr: timedOut ? `${stderr}(ended after ${options.timeoutMs} ms)\n` : stderr,
      });
    });
    // A program that ends without reading its input is no error of ours: its exit status tells.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input);
  });
}

/** As {@link tryCommand}, but a status other than 0 is an error that carries the last lines the program said. */
export async function command(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await tryCommand(file, args, options);
  if (result.code === 0) return result.stdout;
  const said = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-15).join('\n');
  throw new LabError(`${[file, ...args].join(' ')} ended with ${result.code}: ${said}`);
}
