import type { Duplex, Readable } from 'node:stream';

/** What a script left behind. `code` is its exit status; both streams are whole and kept apart. */
export interface ScriptResult {
  code: number;
  stdout: string;
  stderr: string;
  durationMs: number;
}

/** Bytes for a script's standard input. The size must be known: it is how the far side knows where they end. */
export interface ScriptInput {
  sizeBytes: number;
  /** Opened when the host is ready to read, so that a waiting host holds no file open. */
  open(): Readable;
  onProgress?: (doneBytes: number) => void;
}

/**
 * Takes a script's standard output as it comes, in place of `stdout`, which is empty then. Memory stays constant, however
 * much comes. {@link import('./receive.ts').receive} is one that writes a file and takes its sum.
 * @example
 * const hash = createHash('sha256');
 * const output = { write: (piece: Buffer) => void hash.update(piece) };
 * const { code } = await connection.run('cat /var/lib/app/dump', { output });
 */
export interface ScriptOutput {
  /**
   * Called with each piece, in order. Where it gives a promise, the next piece comes when that is fulfilled, and the host
   * is held back meanwhile. An error ends the script and the connection.
   */
  write(piece: Buffer): Promise<unknown> | undefined;
}

export interface RunOptions {
  /**
   * The longest the script may take. With an input or an output: the longest that no byte of them moves, so that a big
   * transfer needs no guess at the line's speed. `Infinity`: as long as the connection lives. Default
   * {@link DEFAULT_SCRIPT_TIMEOUT_MS}.
   */
  timeoutMs?: number;
  input?: ScriptInput;
  output?: ScriptOutput;
}

export const DEFAULT_SCRIPT_TIMEOUT_MS = 120_000;

/** A lock on a host that lives as long as the connection. */
export interface LockWish {
  /** Absolute path on the host. */
  file: string;
  /** Who holds it: one line, for whoever finds it taken. */
  note: string;
}

export type LockAnswer =
  | { held: true }
  | {
      held: false;
      /** What the holder wrote. */
      note: string;
      /** How long ago the holder was last heard of there. */
      ageSeconds: number;
      /** The holder has a script running at this moment. */
      busy: boolean;
    };

/**
 * One way to one host, held open for a whole run. Scripts are POSIX `sh`, run one after the other as the become user
 * with `LC_ALL=C`, a full PATH, umask 022 and an empty standard input unless one is given.
 */
export interface Connection {
  readonly host: string;
  /**
   * Runs a script in one round trip (two with an input). A non-zero exit is a result, not an error.
   * @throws UnreachableError when the link is lost; RemoteTimeoutError when the script exceeds its time.
   */
  run(script: string, options?: RunOptions): Promise<ScriptResult>;
  /** Tries to take a lock, without waiting. `flock` lets go of it when the connection ends, however it ends. */
  hold(lock: LockWish): Promise<LockAnswer>;
  /** A byte stream to a TCP address as seen from the host. @throws UnreachableError, TunnelError. */
  openStream(address: string, port: number): Promise<Duplex>;
  /** How many scripts (round trips) this connection has carried. */
  readonly roundTrips: number;
  /** It can carry nothing any more: the link is gone, or the shell at its end. */
  readonly isLost: boolean;
  /** Ends the connection; whatever still runs in the shell gets a hang-up. Never throws. */
  close(): void;
}
