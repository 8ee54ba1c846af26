import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';

/** What was seen of processes: the arguments and the environment of each, as they stand in /proc. */
export interface Watched {
  texts: readonly string[];
  /** How often all processes were looked at. */
  rounds: number;
}

export interface Watch {
  end(): Promise<Watched>;
}

const PROGRAM = `
const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const seen = new Set();
let rounds = 0;
let over = false;
process.stdin.on('end', () => { over = true; }).resume();
const look = () => {
  for (const pid of readdirSync('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    for (const name of ['cmdline', 'environ']) {
      try { seen.add(readFileSync('/proc/' + pid + '/' + name, 'latin1')); } catch {}
    }
  }
  rounds += 1;
  if (!over) return setTimeout(look, 1);
  writeFileSync(process.argv[1], JSON.stringify({ texts: [...seen], rounds }), { mode: 0o600 });
};
console.log('ready');
look();
`;

/**
 * Looks at all processes of this machine, and so of the lab's hosts, which are containers on it, again and again until
 * told to end. A process that lives for less than a round may be missed.
 */
export async function watchProcesses(file: string): Promise<Watch> {
  const child: ChildProcess = spawn(process.execPath, ['-e', PROGRAM, file], { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  return {
    async end() {
      const ended = new Promise((resolve) => child.once('close', resolve));
      child.stdin!.end();
      await ended;
      const watched = JSON.parse(readFileSync(file, 'utf8')) as Watched;
      rmSync(file);
      return watched;
    },
  };
}
