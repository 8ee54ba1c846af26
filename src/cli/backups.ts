import { existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { describeError, ExitCode, InputError, PlayError } from '../errors.ts';
import { type Identity, identitiesIn, newKeyPair } from '../etcd/backup/age/keys.ts';
import { findBackups } from '../etcd/backup/catalogue.ts';
import { backupFacts, backupTable, type JudgedBackup } from '../etcd/backup/listing.ts';
import { aheadText } from '../etcd/backup/order.ts';
import { DamagedContentError } from '../etcd/backup/packing.ts';
import { BadBackupError, proveFile } from '../etcd/backup/prove-file.ts';
import { fittingTools, localTools } from '../etcd/backup/tools.ts';
import { openV2 } from '../etcd/backup/v2/open.ts';
import { makeWorkFolder, removeWorkFolder } from '../etcd/backup/work-folder.ts';
import { declared } from '../etcd/variables/declarations.ts';
import type { EtcdSettings } from '../etcd/variables.ts';
import { defaultVersion } from '../etcd/versions.ts';
import { legible } from '../screen/legible.ts';
import { backupFolderOf } from './backup-folder.ts';
import type { BackupsArguments } from './backup-options.ts';

/** `play backups`: the backups there are, verified or not; with `--verify` each is proven again. */
export async function showBackups(args: BackupsArguments): Promise<number> {
  if (args.newKey !== undefined) return makeKey(args.newKey);
  const { files = [] } = args;
  const { folders, settings } = await foldersOf(args, files);
  const backups = await chosen(files, folders);
  const fault = args.verify ? await judge(backups, args, settings) : false;
  const text =
    args.output === 'json'
      ? JSON.stringify(backups.map(backupFacts), undefined, 2)
      : [...tables(backups, folders), ...reasons(backups)].join('\n');
  process.stdout.write(`${args.output === 'json' ? text : legible(text)}\n`);
  return fault ? ExitCode.failed : ExitCode.done;
}

async function foldersOf(
  args: BackupsArguments,
  files: readonly string[],
): Promise<{ folders: string[]; settings: EtcdSettings | undefined }> {
  const given = args.dir.map((dir) => resolve(dir));
  for (const dir of given) if (!existsSync(dir)) throw new InputError(`there is no folder ${dir}`);
  const own = args.inventory.length > 0 ? await backupFolderOf(args) : undefined;
  if (given.length > 0) return { folders: given, settings: own?.settings };
  if (own) return { folders: [own.folder], settings: own.settings };
  if (files.length > 0 && files.every((file) => existsSync(file))) return { folders: [], settings: undefined };
  throw new InputError('neither an inventory nor a folder was given', {
    next: 'Say: play backups -i hosts.ini, or: play backups --dir FOLDER',
  });
}

/** All of the folders, or those that are named: by name in a folder, or by path, whatever it is called. */
async function chosen(files: readonly string[], folders: readonly string[]): Promise<JudgedBackup[]> {
  const all = (await Promise.all(folders.map(findBackups))).flat();
  if (files.length === 0) return all;
  const found = await Promise.all(
    files.map(async (file): Promise<JudgedBackup> => {
      const listed = all.find(({ name, path }) => name === file || path === resolve(file));
      if (listed) return listed;
      const path = [resolve(file), ...folders.map((folder) => resolve(folder, file))].find((one) => existsSync(one));
      if (path === undefined)
        throw new InputError(`${file} is not there`, { next: 'play backups lists what there is.' });
      const beside = (await findBackups(dirname(path))).find((one) => one.name === basename(path));
      return beside ?? stranger(path);
    }),
  );
  return found;
}

/** A file that does not bear the name of a backup. */
function stranger(path: string): JudgedBackup {
  return {
    name: basename(path),
    path,
    cluster: '',
    takenAt: new Date(0),
    rankedAt: new Date(0),
    revision: 0n,
    compression: 'none',
    encryption: 'none',
    sizeBytes: 0,
    manifest: undefined,
    verified: 'no',
    fault: 'it has no manifest',
  };
}

function tables(backups: readonly JudgedBackup[], folders: readonly string[]): string[] {
  if (backups.length === 0) return [`no backups are in ${folders.join(', ')}`];
  const places = new Map<string, JudgedBackup[]>();
  for (const one of backups) {
    const folder = dirname(one.path);
    places.set(folder, [...(places.get(folder) ?? []), one]);
  }
  const now = new Date();
  return [...places].flatMap(([folder, all]) => {
    const ahead = aheadText(all, now);
    return [folder, backupTable(all, now), ...(ahead === undefined ? [] : [ahead])];
  });
}

function reasons(backups: readonly JudgedBackup[]): string[] {
  return backups.flatMap(({ judged, name }) => {
    if (!judged || judged.verdict === 'good') return [];
    return [judged.verdict === 'bad' ? `BAD ${judged.reason}` : `NOT PROVEN ${name}: ${judged.reason}`];
  });
}

/** True where one is not good. */
async function judge(
  backups: readonly JudgedBackup[],
  args: BackupsArguments,
  settings: EtcdSettings | undefined,
): Promise<boolean> {
  const identities = args.identity === undefined ? [] : await readIdentities(args.identity);
  const controller = new AbortController();
  const stop = () => controller.abort();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, stop);
  const { signal } = controller;
  const releases = { ...(settings ?? releaseDefaults()), signal };
  let isLacking = false;
  for (const backup of backups) {
    const folder = await makeWorkFolder(dirname(backup.path));
    try {
      const proven = await proveFile({
        path: backup.path,
        identities,
        folder,
        withTrial: args.trial,
        toolsFor: (origin) =>
          args.etcdVersion === undefined
            ? fittingTools(origin, { ...releases, otherwise: settings?.version ?? defaultVersion })
            : localTools({ ...releases, version: args.etcdVersion }),
        signal,
      });
      const { path } = backup;
      const part = proven.manifest?.v2;
      if (part && args.trial) await openV2({ path, part, identities, folder, tools: proven.tools, signal });
      backup.judged = { verdict: 'good', reason: '' };
    } catch (error) {
      if (signal.aborted || !(error instanceof PlayError)) throw error;
      isLacking = true;
      // A backup is bad where something is wrong with it, and not where no key was given or no program found.
      const verdict = error instanceof BadBackupError || error instanceof DamagedContentError ? 'bad' : 'unknown';
      backup.judged = { verdict, reason: describeError(error) };
    } finally {
      await removeWorkFolder(folder);
    }
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, stop);
  return isLacking;
}

function releaseDefaults(): { releaseDir: string; releaseUrl: string } {
  return {
    releaseDir: declared.releaseDir.default!.replace(/^~/, homedir()),
    releaseUrl: declared.releaseUrl.default!,
  };
}

/** @throws InputError for a file that is not there or holds no private key of age. */
export async function readIdentities(file: string): Promise<Identity[]> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new InputError(`the keys cannot be read: ${cause.message}`, { file, cause });
  });
  const keys = identitiesIn(text);
  if (keys) return keys;
  throw new InputError('this is no identity file of age', {
    file,
    next: 'It has lines AGE-SECRET-KEY-1…: play backups --new-key FILE makes one, and so does age-keygen.',
  });
}

/** As age-keygen does it: the private key into a file that is new, the public one to standard output. */
async function makeKey(path: string): Promise<number> {
  const { identity, recipient } = newKeyPair();
  const handle = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EEXIST' ? 'it is there already, and is left alone' : cause.message;
    throw new InputError(`the key cannot be written: ${why}`, { file: path, cause });
  });
  try {
    await handle.writeFile(`# public key: ${recipient}\n${identity.reveal()}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  process.stdout.write(`${recipient}\n`);
  return ExitCode.done;
}
