import type { Connection } from '../../../connection/connection.ts';
import { PlayError } from '../../../errors.ts';
import type { EtcdSettings } from '../../variables.ts';
import type { V2Part } from '../manifest.ts';
import type { EtcdTools } from '../tools.ts';
import { type V2Facts, v2Facts } from './keys.ts';
import { type V2Get, v2Tree } from './look.ts';
import { tryV2 } from './prove.ts';
import { saveV2 } from './save.ts';

export interface V2Request {
  connection: Connection;
  settings: EtcdSettings;
  /** Asks its member. */
  get: V2Get;
  /** Where it is written to: a file that is not there yet. */
  file: string;
  /** A folder for the trial. */
  folder: string;
  /** Programs for a trial; undefined: without one. */
  tools: EtcdTools | undefined;
  signal: AbortSignal;
}

export type TakenV2 = Omit<V2Part, 'name'>;

/** Saves what the v2 API of a member holds, and proves it by a trial start. @throws PlayError where it is not what the member has. */
export async function takeV2(request: V2Request): Promise<TakenV2> {
  const { connection, settings, get, file, folder, tools, signal } = request;
  const before = await factsBy(get);
  const { sizeBytes, sha256 } = await saveV2(connection, settings, { file, signal });
  const copy = tools && (await tryV2({ tools, file, folder, signal }));
  const after = await factsBy(get);
  const isStill = before !== undefined && before.sum === after?.sum;
  const facts = copy ? v2Facts(copy) : after;
  if (copy && isStill && facts?.sum !== before.sum) {
    throw new PlayError(
      `the v2 data that etcdctl saved are not those of the member: ${facts?.keys} keys of ${before.keys}`,
      {
        host: connection.host,
        next: `Look at ${connection.host}: its log and its disk.`,
      },
    );
  }
  return {
    sizeBytes,
    sha256,
    ...(facts && { facts }),
    ...(tools && { startedBy: tools.version }),
    ...(copy && isStill && { asMember: true }),
  };
}

async function factsBy(get: V2Get): Promise<V2Facts | undefined> {
  const root = await v2Tree(get);
  return root && v2Facts(root);
}
