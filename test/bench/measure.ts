import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import type { Lab } from '../lab/lab.ts';

/** Random values of a MiB each: nothing is won by compressing them. */
export async function fill(lab: Lab, mib: number): Promise<void> {
  const read = (name: string) => readFileSync(join(lab.pkiDir, `${name}.pem`));
  const credentials = { rootCertificate: read('ca'), privateKey: read('client-key'), certChain: read('client') };
  const client = new Etcd3({ hosts: `https://${lab.addressOf('h1')}:2379`, credentials });
  let next = 0;
  const writer = async () => {
    for (let i = next++; i < mib; i = next++)
      await client
        .put(`fill/${i}`)
        .value(randomBytes(1024 * 1024))
        .exec();
  };
  await Promise.all(Array.from({ length: 4 }, writer));
  client.close();
}

export interface Figures {
  seconds: number;
  /** Of the process itself: on a busy machine it says more than the time. */
  cpuSeconds: number;
  mostMib: number;
  text: string;
}

/** The most memory of the process itself and its time, as the kernel has them (VmHWM, utime and stime in hundredths). */
export function timed(program: string, args: readonly string[]): Promise<Figures> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [text, mostMib, cpuSeconds] = ['', 0, 0];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
    }
    const watch = setInterval(() => {
      try {
        const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
        mostMib = Math.max(mostMib, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024);
        const times = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
          .replace(/^.*\) /, '')
          .split(' ');
        cpuSeconds = (Number(times[11]) + Number(times[12])) / 100;
      } catch {
        // It has just ended.
      }
    }, 50);
    child.once('close', (code) => {
      clearInterval(watch);
      if (code === 0) resolve({ seconds: (performance.now() - started) / 1000, cpuSeconds, mostMib, text });
      else reject(new Error(`${program} ${args.join(' ')} ended with ${code}:\n${text}`));
    });
  });
}
