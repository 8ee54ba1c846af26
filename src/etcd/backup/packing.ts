import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Duplex, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createGzip } from 'node:zlib';
import { InputError, PlayError } from '../../errors.ts';
import { BlockFile } from '../../local/block-file.ts';
import type { Identity } from './age/keys.ts';
import { AGE_MAGIC, decryptWith, encryptTo, NoKeyFitsError } from './age/stream.ts';
import type { Compression } from './naming.ts';
import { explainedFor } from './on-disk.ts';
import { zstdCompress, zstdDecompress } from './zstd.ts';

/** How a snapshot is packed for keeping: compressed first, then encrypted to each of these keys. */
export interface Packing {
  compression: Compression;
  recipients: readonly Buffer[];
}

/** What is packed cannot be unpacked: it was cut short or changed. */
export class DamagedContentError extends PlayError {
  override readonly name = 'DamagedContentError';
}

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
const READ_BYTES = 1024 * 1024;

/** Writes the packed form of a file and gives its own sum and size. In constant memory; on the disk when it returns. */
export async function packFile(
  source: string,
  target: string,
  { compression, recipients }: Packing,
  signal: AbortSignal,
): Promise<{ sizeBytes: number; sha256: string }> {
  const steps: Duplex[] = [];
  if (compression === 'gzip') steps.push(createGzip({ level: constants.Z_BEST_SPEED, chunkSize: 256 * 1024 }));
  if (compression === 'zstd') steps.push(zstdCompress());
  if (recipients.length > 0) steps.push(encryptTo(recipients));
  return writeFrom(target, [createReadStream(source, { highWaterMark: READ_BYTES }), ...steps], signal);
}

/** Runs streams into a new file. */
export async function writeFrom(
  target: string,
  streams: readonly [Readable, ...Duplex[]],
  signal: AbortSignal,
): Promise<{ sizeBytes: number; sha256: string }> {
  const file = await BlockFile.create(target, { explained: explainedFor(target) });
  const sink = new Writable({
    write(piece: Buffer, _encoding, done) {
      (async () => file.write(piece))().then(() => done(), done);
    },
  });
  try {
    await pipeline([...streams, sink], { signal });
    const { sizeBytes, sha256 } = await file.finish();
    return { sizeBytes, sha256 };
  } finally {
    await file.abandon();
  }
}

/** What a file turns out to be by its first bytes: its name may lie. */
export interface OpenedBackup {
  /** The snapshot as a member gave it, or the database file as it was copied. */
  plain: Readable;
  compression: Compression;
  isEncrypted: boolean;
}

/**
 * Opens a backup however it is packed. What is wrong with its content comes as an error of the stream, in words.
 * @throws InputError where it cannot be opened: not there, a directory, encrypted and no key is given.
 */
export async function openBackup(path: string, identities: readonly Identity[] = []): Promise<OpenedBackup> {
  const first = await firstBytes(path);
  let plain: Readable = createReadStream(path, { highWaterMark: READ_BYTES });
  const isEncrypted = first.subarray(0, AGE_MAGIC.length).equals(AGE_MAGIC);
  let inner = first;
  if (isEncrypted) {
    if (identities.length === 0) {
      throw new InputError(`${path} is encrypted, and no key was given`, {
        next: 'Name the identity file of age that opens it.',
      });
    }
    plain = chained(plain, decryptWith(identities), path);
    inner = await peek(plain, path);
  }
  const compression: Compression = startsWith(inner, GZIP_MAGIC)
    ? 'gzip'
    : startsWith(inner, ZSTD_MAGIC)
      ? 'zstd'
      : 'none';
  if (compression === 'gzip') plain = chained(plain, createGunzip({ chunkSize: 256 * 1024 }), path);
  if (compression === 'zstd') plain = chained(plain, zstdDecompress(), path);
  return { plain, compression, isEncrypted };
}

async function firstBytes(path: string): Promise<Buffer> {
  try {
    const handle = await open(path);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'is not there' : code === 'EISDIR' ? 'is a directory' : `cannot be read (${code})`;
    throw new InputError(`${path} ${why}`, { cause, next: 'play backups lists what there is.' });
  }
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}

function chained(from: Readable, through: Duplex, path: string): Readable {
  // Its errors come to who reads its end.
  pipeline(from, through).catch(() => undefined);
  async function* pieces(): AsyncGenerator<Buffer> {
    try {
      yield* through;
    } catch (error) {
      throw damaged(error, path);
    }
  }
  return Readable.from(pieces(), { objectMode: false, highWaterMark: READ_BYTES });
}

function damaged(error: unknown, path: string): Error {
  if (error instanceof PlayError) return error;
  // Another key would open it: that says nothing against the backup.
  if (error instanceof NoKeyFitsError) {
    return new InputError(`${path}: ${error.message}`, { cause: error, next: 'Name the identity file that fits.' });
  }
  return new DamagedContentError(`${path}: it is damaged, or cut short (${(error as Error).message})`, {
    cause: error,
    next: 'Take another copy: play backups lists what there is.',
  });
}

/** The first bytes of a stream, which stay in it. */
function peek(stream: Readable, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      stream.off('readable', onReadable).off('end', onEnd).off('error', onError);
      then();
    };
    const onReadable = () => {
      const piece = stream.read() as Buffer | null;
      if (piece === null) return;
      settle(() => {
        stream.unshift(piece);
        resolve(piece.subarray(0, 64));
      });
    };
    const onEnd = () => settle(() => resolve(Buffer.alloc(0)));
    const onError = (error: Error) => settle(() => reject(damaged(error, path)));
    stream.on('readable', onReadable).once('end', onEnd).once('error', onError);
  });
}
