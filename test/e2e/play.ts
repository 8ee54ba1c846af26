import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The compiled command, as a user's shell would start it. */
export const PLAY = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));

/** Records of test runs are kept apart from those of whoever runs the tests. */
const STATE = join(tmpdir(), 'etcd-play-test-state');

export interface PlayResult {
  /** The exit code; null when it was ended by a signal. */
  code: number | null;
  stdout: string;
  stderr: string;
  /** Both streams in the order in which they came. */
  text: string;
  durationMs: number;
}

export interface PlayOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Called with each whole line; may kill the process. */
  onLine?: (line: string, child: ChildProcess) => void;
}

/** Environment of a `play` that is killed as soon as it has printed that line for the `times`th time, and begins nothing more. */
export function killAt(line: RegExp, times = 1): NodeJS.ProcessEnv {
  return signalAt(line, times, 'SIGKILL');
}

/** A `play` that stands still when it has printed that line, until something else is done. */
export function pausedAt(
  line: RegExp,
  meanwhile: () => Promise<unknown>,
): Required<Pick<PlayOptions, 'env' | 'onLine'>> {
  let stands = false;
  return {
    env: signalAt(line, 1, 'SIGSTOP'),
    onLine: (text, child) => {
      if (stands || !line.test(text)) return;
      stands = true;
      void untilStopped(child.pid!)
        .then(meanwhile)
        .finally(() => child.kill('SIGCONT'));
    },
  };
}

/** It prints the line before it stops. */
async function untilStopped(pid: number): Promise<void> {
  const state = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)![0];
  while (state() !== 'T') await new Promise((resolve) => setTimeout(resolve, 2));
}

export function signalAt(line: RegExp, times: number, signal: NodeJS.Signals): NodeJS.ProcessEnv {
  const module = new URL('signal-at.js', import.meta.url).href;
  return {
    NODE_OPTIONS: `--import=${module}`,
    PLAY_SIGNAL: signal,
    PLAY_SIGNAL_AT: line.source,
    PLAY_SIGNAL_TIMES: String(times),
  };
}

/** Runs `play` with these words and waits for its end. Never throws for its exit code. */
export function runPlay(args: readonly string[], { cwd, env, onLine }: PlayOptions = {}): Promise<PlayResult> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PLAY, ...args], {
      cwd,
      env: { ...process.env, NO_COLOR: '1', XDG_STATE_HOME: STATE, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr, text, unfinished] = ['', '', '', ''];
    const note = (chunk: string) => {
      text += chunk;
      const lines = (unfinished + chunk).split('\n');
      unfinished = lines.pop() ?? '';
      if (onLine) for (const line of lines) onLine(line, child);
    };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
      note(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
      note(chunk);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr, text, durationMs: performance.now() - started }));
  });
}
