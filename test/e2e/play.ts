import { type ChildProcess, spawn } from 'node:child_process';
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
