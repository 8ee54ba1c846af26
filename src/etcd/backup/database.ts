import { PlayError } from '../../errors.ts';
import { lastWords, runHere } from './command.ts';
import type { EtcdTools } from './tools.ts';

/** What etcd's own tool reads from a snapshot. */
export interface DatabaseFacts {
  /** Of the whole database, as `snapshot status` prints it: hexadecimal. */
  hash: string;
  revision: bigint;
  /** Keys with all their revisions that are in it, so not the number of keys. */
  keys: number;
}

/** The bolt check: every page of the database is read by `snapshot status`. @throws PlayError where it is not whole. */
export async function checkDatabase(tools: EtcdTools, file: string, signal: AbortSignal): Promise<DatabaseFacts> {
  const said = await runHere(tools.snapshot, ['snapshot', 'status', file, '-w', 'json'], signal);
  const facts = said.code === 0 ? parseStatus(said.stdout) : undefined;
  if (facts) return facts;
  throw new PlayError(`the database in the snapshot is not whole: ${databaseWords(said)}`);
}

/** Undefined for what is no status. Numbers are read as texts: JSON would round them. */
export function parseStatus(stdout: string): DatabaseFacts | undefined {
  const number = (name: string) => new RegExp(`"${name}":(\\d{1,20})\\b`).exec(stdout)?.[1];
  const [hash, revision, keys] = [number('hash'), number('revision'), number('totalKey')];
  if (hash === undefined || revision === undefined || keys === undefined) return undefined;
  return { hash: Number(hash).toString(16), revision: BigInt(revision), keys: Number(keys) };
}

/** A damaged page makes etcd's tool panic: what it says of it stands above the many lines of where. */
export function databaseWords(said: { stdout: string; stderr: string }): string {
  const lines = `${said.stderr}\n${said.stdout}`.split('\n').map((line) => line.trim());
  const panic = lines.find((line) => /^(panic:|fatal error:|unexpected fault address)/.test(line));
  return panic ?? lastWords(said);
}
