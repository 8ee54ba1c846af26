import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Seconds that a command keeps the processor busy, best of five: what the clock says also holds what others do on this
 * machine meanwhile. Its exit status does not matter.
 */
export async function processorSeconds(words: readonly string[], cwd?: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const line = 'TIMEFORMAT="%U %S"; time "$0" "$@" >/dev/null 2>&1';
    const { stderr } = await promisify(execFile)('bash', ['-c', line, ...words], { cwd }).catch(
      (error) => error as { stderr: string },
    );
    const [user = 0, system = 0] = stderr.trim().split(' ').map(Number);
    if (!(user > 0)) throw new Error(`no time for ${words.join(' ')}: ${stderr}`);
    times.push(user + system);
  }
  return Math.min(...times);
}

/** 0.3 s, where starting node takes no more than it should: a slower machine has more. */
export async function shortWork(): Promise<number> {
  return Math.max(0.3, 5 * (await processorSeconds([process.execPath, '-e', '0'])));
}
