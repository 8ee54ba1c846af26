import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PLAY } from '../e2e/play.ts';
import { type Lab, openLab } from '../lab/lab.ts';

/**
 * A big file to a host and from a host, side by side with `scp`, in turns:
 *
 *     npx jiti test/bench/transfer.ts [--mib 256] [--rounds 7] [--mbit 1000] [--rtt 0]
 *
 * Both have their connection open already: scp over a ControlMaster, play by a task before. `whole` is the whole command
 * for both, from its start to its end. play takes sums at both ends and waits for the disk; scp does neither, so `proven` is scp
 * and then the sums of both ends and the disk, all three at once, by commands. What was there is removed right before the bytes
 * move, by both: on some machines memory that was just given back is faster. `mbit`: the line, in megabits a second, by the
 * kernel; 0 for none: then it is as fast as the two processors are, which both ends share. `rtt`: milliseconds that a round trip
 * takes longer, by a program that takes much of a processor.
 * Prints the least and the median, in seconds, and how the medians compare.
 */
const option = (name: string, fallback: number) =>
  process.argv.includes(`--${name}`) ? Number(process.argv[process.argv.indexOf(`--${name}`) + 1]) : fallback;
const mib = option('mib', 256);
const rounds = option('rounds', 7);
const [mbit, rttMs] = [option('mbit', 1000), option('rtt', 0)];

const PLAYBOOK = `
import { rmSync } from 'node:fs';
import { copy, fetch, playbook, play, step, task } from 'etcd-play';
const begin = step('Connected', async ({ connect }) => {
  await (await connect()).run(process.env.FIRST);
  rmSync(process.env.HERE, { force: true });
});
const made = (name, tasks) => playbook({ name, description: name, hosts: 'etcd', plays: () => [play(name, { tasks })] });
export const push = made('push', [begin, task('Moved', () => copy({ source: process.env.BIG, path: '/root/by-play', mode: 0o600 }))]);
export const pull = made('pull', [begin, fetch('Moved', () => ({ path: '/root/big', dest: process.env.HERE }))]);
`;

const work = mkdtempSync(join(tmpdir(), 'bench-'));
const lab = await openLab({ name: 'xferbench', hosts: 1, fresh: true });
const seconds = new Map<string, number[]>();
const [big, here] = [join(work, 'big'), join(work, 'here')];
let master: ChildProcess | undefined;
try {
  const sum = makeBig();
  for (const name of ['push', 'pull']) {
    mkdirSync(join(work, 'playbooks'), { recursive: true });
    writeFileSync(join(work, 'playbooks', `${name}.ts`), `${PLAYBOOK}export default ${name};\n`);
  }
  master = await openMaster(lab);
  const host = `root@${lab.addressOf('h1')}`;
  await run('scp', ['-q', ...own(lab), big, `${host}:/root/big`]);
  const control = ['-o', `ControlPath=${work}/master`];
  await lab.slow('h1', rttMs);
  await lab.narrow('h1', mbit);
  for (let round = 0; round <= rounds; round++) {
    const scp = async (name: string, words: string[], there?: string) => {
      await lab.exec('h1', 'rm -f /root/by-scp');
      rmSync(here, { force: true });
      const { whole } = await run('scp', ['-q', ...words]);
      note(name, round, whole);
      if (there === undefined) return;
      const started = performance.now();
      const [ownFile, farFile] = there === '/root/big' ? [here, there] : [big, there];
      const far = `openssl dgst -sha256 -r ${farFile} & sync -- ${farFile}; wait`;
      await Promise.all([
        run('ssh', [...own(lab), ...control, host, far]),
        run('openssl', ['dgst', '-sha256', '-r', ownFile]),
        run('sync', ['--', ownFile]),
      ]);
      note(`${name.replace(',', ' proven,')}`, round, whole + (performance.now() - started) / 1000);
    };
    const play = async (name: string, playbook: string) => {
      const took = await run(process.execPath, [PLAY, playbook, '-i', lab.inventoryFile, '--output', 'json']);
      note(`${name} whole, play`, round, took);
      note(`${name}, play`, round, took.moved);
      if (name === 'fetch' && sumOf(here) !== sum) throw new Error('what was fetched is not the same');
    };
    await scp('push, scp', [...own(lab), ...control, big, `${host}:/root/by-scp`], '/root/by-scp');
    await play('push', 'push');
    await scp('push whole, scp', [...own(lab), big, `${host}:/root/by-scp`]);
    await scp('fetch, scp', [...own(lab), ...control, `${host}:/root/big`, here], '/root/big');
    await play('fetch', 'pull');
    await scp('fetch whole, scp', [...own(lab), `${host}:/root/big`, here]);
  }
  if (!(await lab.exec('h1', 'sha256sum /root/by-play')).stdout.startsWith(sum)) throw new Error('it arrived damaged');
} finally {
  master?.kill();
  rmSync(work, { recursive: true, force: true });
  await lab.down();
}
for (const what of ['push', 'push proven', 'fetch', 'fetch proven', 'push whole', 'fetch whole']) {
  const names = [`${what}, scp`, `${what.replace(' proven', '')}, play`];
  const [scp, play] = names.map((name) => seconds.get(name)!.toSorted((a, b) => a - b));
  const median = (all: readonly number[]) => all[all.length >> 1]!;
  const line = (all: readonly number[]) => `${all[0]!.toFixed(2)}, median ${median(all).toFixed(2)}`;
  const speed = (median(scp!) / median(play!)).toFixed(2);
  console.log(`${what.padEnd(13)} scp ${line(scp!)}  play ${line(play!)}  speed of scp × ${speed}`);
}

function makeBig(): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(1 << 20);
  const file = openSync(big, 'w');
  for (let done = 0; done < mib; done++) {
    randomFillSync(chunk);
    hash.update(chunk);
    writeSync(file, chunk);
  }
  closeSync(file);
  return hash.digest('hex');
}

function sumOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function own({ keyFile, knownHostsFile }: Lab): string[] {
  return ['-F', 'none', '-i', keyFile, '-o', `UserKnownHostsFile=${knownHostsFile}`];
}

async function openMaster(lab: Lab): Promise<ChildProcess> {
  const words = [...own(lab), '-M', '-S', `${work}/master`, `root@${lab.addressOf('h1')}`, 'echo open; sleep 86400'];
  const child = spawn('ssh', words, { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return child;
}

type Took = number | { whole: number; moved: number };

/** Seconds of the whole command, and of the task that moves where it tells. */
async function run(command: string, args: string[]): Promise<{ whole: number; moved: number }> {
  const started = performance.now();
  const first = args[1] === 'push' ? 'rm -f /root/by-play' : 'true';
  const env = { ...process.env, BIG: big, HERE: here, FIRST: first, XDG_STATE_HOME: work };
  const child = spawn(command, args, { cwd: work, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${said}`);
  const whole = (performance.now() - started) / 1000;
  const [, moved] = /"task":"Moved","status":"changed".*"durationMs":([\d.]+)/.exec(said) ?? [];
  return { whole, moved: Number(moved ?? 0) / 1000 };
}

/** The first round warms caches and is not counted. */
function note(what: string, round: number, took: Took): void {
  const value = typeof took === 'number' ? took : took.whole;
  console.error(`${what} ${value.toFixed(2)} s (load ${loadavg()[0]!.toFixed(1)})`);
  if (round > 0) seconds.set(what, [...(seconds.get(what) ?? []), value]);
}
