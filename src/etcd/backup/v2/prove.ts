import { mkdir, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { PlayError } from '../../../errors.ts';
import { lastWords, runHere } from '../command.ts';
import type { EtcdTools } from '../tools.ts';
import { whileRunning } from '../trial.ts';
import type { V2Node } from './keys.ts';
import { v2Tree } from './look.ts';

export interface V2TrialRequest {
  tools: EtcdTools;
  /** The tar, unpacked by gzip or not. */
  file: string;
  /** A folder on a disk with room for what is in it. */
  folder: string;
  signal: AbortSignal;
}

/**
 * Unpacks what `etcdctl backup` saved, starts etcd on it with `--force-new-cluster` as the one who restores it would, and reads
 * it. Undefined where users of the v2 API must log in: all that is known then is that etcd starts on it.
 * @throws PlayError where it cannot be unpacked or etcd does not start on it.
 */
export async function tryV2({ tools, file, folder, signal }: V2TrialRequest): Promise<V2Node | undefined> {
  const data = join(folder, 'v2-trial');
  await rm(data, { recursive: true, force: true });
  try {
    await mkdir(data, { mode: 0o700 });
    const said = await runHere('tar', ['-xf', file, '-C', data, '--no-same-owner'], signal);
    if (said.code !== 0) throw new PlayError(`its v2 data cannot be unpacked: ${lastWords(said)}`);
    const flags = { 'force-new-cluster': 'true', 'enable-v2': 'true' };
    return await whileRunning({ tools, data, flags, signal }, (_api, socketPath) =>
      v2Tree((path) => askSocket(socketPath, path)),
    );
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

const DEADLINE_MS = 60_000;

function askSocket(socketPath: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asking = get({ socketPath, path }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    asking.setTimeout(DEADLINE_MS, () => asking.destroy(new PlayError('the v2 API of the copy does not answer')));
    asking.on('error', reject);
  });
}
