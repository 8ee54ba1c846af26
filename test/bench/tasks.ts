import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PLAY } from '../e2e/play.ts';
import { openLab } from '../lab/lab.ts';

/**
 * Twenty small tasks on many hosts, side by side with Ansible, Mitogen and the floor (one `ssh` for each host, all twenty in
 * one shell, all hosts at once):
 *
 *     npx jiti test/bench/tasks.ts --hosts 3,20,40 [--peers FOLDER] [--rounds 3]
 *
 * FOLDER holds `ansible/micro20.yml` and `ansible.NAME.cfg`. All take turns, the floor and play before each of the others, so
 * that a slow moment of the machine hits all of them. Prints each run with the load of the machine, then the medians in seconds and how often the floor fits in.
 */
const option = (name: string) =>
  process.argv.includes(`--${name}`) ? process.argv[process.argv.indexOf(`--${name}`) + 1] : undefined;
const peers = option('peers') ? join(option('peers')!, 'ansible') : undefined;
const rounds = Number(option('rounds') ?? 3);

const MICRO = `
import { playbook, play, step } from 'etcd-play';
export default playbook({
  name: 'micro', description: 'twenty small tasks', hosts: 'etcd',
  plays: () => [play('Twenty', { tasks: Array.from({ length: 20 }, (_, i) =>
    step('t' + (i + 1), async ({ connect }) => void (await (await connect()).run('/bin/true')))) })],
});
`;

for (const hosts of (option('hosts') ?? '3').split(',').map(Number)) {
  const lab = await openLab({ name: 'bench', hosts, fresh: true });
  const work = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    mkdirSync(join(work, 'playbooks'));
    writeFileSync(join(work, 'playbooks', 'micro.ts'), MICRO);
    const runs = new Map<string, () => Promise<number>>([
      ['floor', () => floor(lab.hosts.map((host) => sshWords(lab.keyFile, lab.knownHostsFile, host.address)))],
      ['play', () => timed([[process.execPath, PLAY, 'micro', '-i', lab.inventoryFile]], work)],
    ]);
    for (const name of peers ? ['stock', 'tuned', 'mitogen'] : []) {
      const config = join(peers!, `ansible.${name}.cfg`);
      if (!existsSync(config)) continue;
      cpSync(peers!, join(work, name), { recursive: true });
      const words = [
        'ansible-playbook',
        '-i',
        lab.inventoryFile,
        '--private-key',
        lab.keyFile,
        join(work, name, 'micro20.yml'),
      ];
      runs.set(name, () => timed([words], work, { ANSIBLE_CONFIG: config }));
    }
    const seconds = new Map([...runs.keys()].map((name) => [name, [] as number[]]));
    const measure = async (name: string) => {
      const took = await runs.get(name)!().catch((error: Error) => error);
      const said = typeof took === 'number' ? `${took.toFixed(2)} s` : took.message;
      console.error(`${hosts} hosts  ${name} ${said} (load ${loadavg()[0]!.toFixed(1)})`);
      if (typeof took === 'number') seconds.get(name)!.push(took);
    };
    const others = [...runs.keys()].filter((name) => name !== 'floor' && name !== 'play');
    for (const run of [runs.get('floor')!, runs.get('play')!]) await run();
    for (let round = 0; round < rounds; round++) {
      for (const name of others.length > 0 ? others : ['']) {
        await measure('floor');
        await measure('play');
        if (name) await measure(name);
      }
    }
    const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1]!;
    const least = median(seconds.get('floor')!);
    for (const [name, all] of seconds) {
      if (all.length === 0) continue;
      const own = median(all);
      console.log(
        `${hosts} hosts  ${name.padEnd(8)} ${own.toFixed(2)} s  floor × ${(own / least).toFixed(2)}  (of ${all.length})`,
      );
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
    await lab.down();
  }
}

function sshWords(key: string, known: string, address: string): string[] {
  const script = Array(20).fill('/bin/true').join('; ');
  return ['ssh', '-F', 'none', '-i', key, '-o', `UserKnownHostsFile=${known}`, `root@${address}`, script];
}

function floor(commands: string[][]): Promise<number> {
  return timed(commands, tmpdir());
}

/** Starts all commands at once and waits for the last. */
async function timed(commands: string[][], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<number> {
  const started = performance.now();
  await Promise.all(
    commands.map(
      ([command, ...args]) =>
        new Promise<void>((resolve, reject) => {
          const child = spawn(command!, args, {
            cwd,
            env: { ...process.env, ...env },
            stdio: ['ignore', 'ignore', 'pipe'],
          });
          let said = '';
          child.stderr.on('data', (chunk) => {
            said += chunk;
          });
          child.on('close', (code) =>
            code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}: ${said}`)),
          );
        }),
    ),
  );
  return (performance.now() - started) / 1000;
}
