import { spawn } from 'node:child_process';
import { PlayError } from '../../errors.ts';

/** The environment of etcd's tools on this machine: nothing of the user's that they would take for settings. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    TMPDIR: process.env.TMPDIR,
    ETCDCTL_API: '3',
    ETCD_UNSUPPORTED_ARCH: 'arm64',
  };
}

/** What a program of this machine said and how it ended; ended with the run, which waits until it is gone. */
export function runHere(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: toolEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      killSignal: 'SIGKILL',
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout = `${stdout}${chunk}`.slice(-100_000);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = `${stderr}${chunk}`.slice(-100_000);
    });
    child.on('error', (cause: NodeJS.ErrnoException) => {
      // One that runs has been killed by this, and may write on until it is gone.
      if (child.pid !== undefined) return;
      if (signal.aborted) reject(new PlayError('the run was ended'));
      else reject(new PlayError(`${program} cannot be run: ${cause.message}`, { cause }));
    });
    child.once('close', (code) => {
      if (signal.aborted) reject(new PlayError('the run was ended'));
      else resolve({ code, stdout, stderr });
    });
  });
}

/** The last line of what a program said, without the log that etcd's tools write around it. */
export function lastWords({ stdout, stderr }: { stdout: string; stderr: string }): string {
  const lines = `${stdout}\n${stderr}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.findLast((line) => /^Error:/.test(line)) ?? lines.at(-1) ?? 'it said nothing';
}
