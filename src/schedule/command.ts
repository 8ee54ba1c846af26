import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { PlayError } from '../errors.ts';

export interface Said {
  /** -1: there is no such program. */
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program of this machine and waits for it. */
export function said(program: string, args: readonly string[], input = ''): Promise<Said> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    child.stdin.on('error', () => undefined).end(input);
    child.once('error', (error) => resolve({ code: -1, stdout, stderr: error.message }));
    child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

/** How a program ended, as a shell says it. @throws PlayError where it cannot be run. */
export function exitOf(child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new PlayError(`${program} cannot be run: ${cause.message}`, { cause })));
    child.once('close', (exitCode, signal) => resolve(exitCode ?? 128 + constants.signals[signal!]));
  });
}
