import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { quote } from '../../connection/quote.ts';
import { PlayError } from '../../errors.ts';
import { BlockFile, type BlockFileResult } from '../../local/block-file.ts';
import { certificateFiles } from '../configuration.ts';
import type { MemberApi } from '../grpc/member.ts';
import type { EtcdSettings } from '../variables.ts';
import { bringMadeOnHost } from './made-on-host.ts';
import { explainedFor } from './on-disk.ts';
import { SnapshotFrames } from './snapshot-frames.ts';
import { type SnapshotSums, snapshotSums, TRAILER_BYTES } from './snapshot-sum.ts';

export interface TakeOptions {
  /** Where it is written to: a file that is not there yet. */
  file: string;
  /** For the progress, where the member does not say how much is to come. */
  expectedBytes: number;
  signal: AbortSignal;
  onProgress(doneBytes: number, totalBytes: number): void;
}

/** Pieces are small and many; nobody looks that often. */
const PROGRESS_BYTES = 4 * 1024 * 1024;
/** A member under load may need a while before the first byte. */
const STALL_MS = 60_000;

/**
 * A snapshot straight from a member to a file of this machine: nothing is kept on the host, and memory is constant.
 * @throws PlayError when it is cut short or its own sum is wrong; UnreachableError, GrpcError, DiskError.
 */
export async function streamSnapshot(host: string, api: MemberApi, options: TakeOptions): Promise<SnapshotSums> {
  const file = await BlockFile.create(options.file, { endBytes: TRAILER_BYTES, explained: explainedFor(options.file) });
  let written: BlockFileResult;
  let doneBytes = 0;
  let shownBytes = 0;
  let waiting: Promise<void> | undefined;
  const frames = new SnapshotFrames((piece) => {
    doneBytes += piece.length;
    const full = waiting ? waiting.then(() => file.write(piece)) : file.write(piece);
    if (full) waiting = full;
  });
  try {
    await api.snapshot({
      stallMs: STALL_MS,
      signal: options.signal,
      take(piece) {
        frames.push(piece);
        if (doneBytes - shownBytes > PROGRESS_BYTES) {
          shownBytes = doneBytes;
          options.onProgress(doneBytes, doneBytes + (frames.remainingBytes ?? options.expectedBytes));
        }
        const full = waiting;
        waiting = undefined;
        return full;
      },
    });
    written = await file.finish();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new PlayError(`what the member sends is no snapshot: ${error.message}`, { host, cause: error });
  } finally {
    await file.abandon();
  }
  if (!frames.isBetweenMessages || frames.remainingBytes !== 0) {
    throw new PlayError(`the snapshot ended after ${doneBytes} bytes, before its end`, { host, next: 'Run again.' });
  }
  return whole(host, snapshotSums(written));
}

/**
 * A snapshot that etcdctl takes on the member's own host, fetched from there and removed again: for lines that cannot
 * carry it in one go, and for who wants it the old way. It needs room there.
 */
export async function saveOnHost(
  connection: Connection,
  settings: EtcdSettings,
  folder: string,
  { file, expectedBytes, signal, onProgress }: TakeOptions,
): Promise<SnapshotSums> {
  const files = certificateFiles(settings);
  const tls = `--cacert=${quote(files.ca)} --cert=${quote(files.clientCert)} --key=${quote(files.clientKey)}`;
  const endpoint = quote(settings.advertiseClientUrls[0]!);
  const etcdctl = `ETCDCTL_API=3 ${quote(posix.join(settings.binDir, 'etcdctl'))} --endpoints=${endpoint} ${tls}`;
  const written = await bringMadeOnHost(connection, {
    what: 'etcdctl snapshot save',
    folder: `${folder}/.play-work.XXXXXX`,
    lines: [`${etcdctl} snapshot save "$d/snapshot.db" >&2 || exit 1`, 'cat -- "$d/snapshot.db"'],
    file,
    endBytes: TRAILER_BYTES,
    signal,
    onProgress: (doneBytes) => onProgress(doneBytes, Math.max(doneBytes, expectedBytes)),
  });
  return whole(connection.host, snapshotSums(written));
}

function whole(host: string, sums: SnapshotSums): SnapshotSums {
  if (sums.trailer === 'right') return sums;
  const why = sums.trailer === 'none' ? 'has no sum at its end' : 'is not what its sum at the end says';
  throw new PlayError(`the snapshot that came ${why} (${sums.sizeBytes} bytes)`, { host, next: 'Run again.' });
}
