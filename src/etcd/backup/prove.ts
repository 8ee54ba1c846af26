import { PlayError } from '../../errors.ts';
import type { KeyHash, MemberApi } from '../grpc/member.ts';
import { differences, type MemberWord, oddMembers } from './compare.ts';
import { checkDatabase, type DatabaseFacts } from './database.ts';
import type { EtcdTools } from './tools.ts';
import { type RestoredFacts, tryRestore } from './trial.ts';

/** The snapshot of this member is not what it should be: another member may give a better one. */
export class DamagedError extends PlayError {
  override readonly name = 'DamagedError';
}

export interface Proven {
  database: DatabaseFacts;
  restored: RestoredFacts | undefined;
  /** Members that said the same as the source; members whose data differ from those of most. */
  agree: string[];
  odd: string[];
}

export interface ProofRequest {
  tools: EtcdTools;
  file: string;
  /** A folder for the trial, on a disk with room for a copy. */
  folder: string;
  source: string;
  apis: ReadonlyMap<string, MemberApi>;
  signal: AbortSignal;
}

/**
 * Proves a snapshot by its database and by a trial restore, which must say what its member says of that revision. The
 * other members are asked too: one whose data differ from theirs gives no backup. @throws DamagedError naming the member.
 */
export async function prove(request: ProofRequest, withTrial: boolean): Promise<Proven> {
  const { tools, file, folder, source, signal } = request;
  const checking = checkDatabase(tools, file, signal);
  if (!withTrial) return { database: await checking.catch(damagedAt(source)), restored: undefined, agree: [], odd: [] };
  // Asked as soon as may be, while the copy is being restored: a compaction meanwhile would leave nothing to compare.
  const asked = checking.then(({ revision }) => askMembers(request, revision));
  const compactedTo = asked.then(({ said }) => said.hash.compactRevision);
  for (const waiting of [asked, compactedTo]) waiting.catch(() => undefined);
  const restored = await tryRestore({ tools, file, folder, checking, compactedTo, signal }).catch(damagedAt(source));
  const database = await checking;
  const { said, words } = await asked;
  const found = differences(restored, said);
  if (found.length > 0)
    throw damaged(source, `the restored copy differs from what the member says: ${found.join('; ')}`);
  const odd = oddMembers(words);
  if (odd.includes(source)) {
    throw damaged(source, `its data differ from those of the other members (${odd.join(', ')} stand apart)`);
  }
  const agree = words.filter(({ host, hash }) => hash && !odd.includes(host) && isSame(hash, said.hash));
  return { database, restored, agree: agree.map(({ host }) => host).sort(), odd };
}

async function askMembers({ apis, source }: ProofRequest, revision: bigint) {
  const api = apis.get(source)!;
  const words = Promise.all(
    [...apis].map(async ([host, one]): Promise<MemberWord> => {
      const hash = await one.keyHash(revision).catch(() => undefined);
      return { host, hash };
    }),
  );
  const keyCount = api.keyCount(revision);
  keyCount.catch(() => undefined);
  const hash = (await words).find(({ host }) => host === source)?.hash ?? (await api.keyHash(revision));
  return { words: await words, said: { revision, keyCount: await keyCount, hash } };
}

function isSame(a: KeyHash, b: KeyHash): boolean {
  return a.hash === b.hash && a.compactRevision === b.compactRevision;
}

function damaged(host: string, why: string, cause?: unknown): DamagedError {
  return new DamagedError(why, { host, cause, next: `Look at ${host}: its log, its disk, etcdctl alarm list.` });
}

/** What etcd's tools say against a snapshot is said of the member that gave it. */
function damagedAt(host: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof PlayError && error.constructor === PlayError) throw damaged(host, error.message, error);
    throw error;
  };
}
