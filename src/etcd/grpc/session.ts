import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Connection } from '../../connection/connection.ts';
import { PlayError, UnreachableError } from '../../errors.ts';
import type { ClientIdentity, MemberAddress } from '../client.ts';

/** Enough for a gigabit over a tenth of a second; no more than this is ever on its way or waiting here. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const OPENING_MS = 10_000;
/**
 * For requests that wait to be sent, and Node's own ten are few: etcd takes some of ten megabytes where it was told to, and
 * four are under way at a time. What is beyond has all further calls refused.
 */
const MEMORY_MB = 64;

/** What gRPC calls the end of a call; the numbers are in its documentation (statuscodes). */
export const GrpcStatus = {
  invalidArgument: 3,
  permissionDenied: 7,
  resourceExhausted: 8,
  outOfRange: 11,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** The member's own no to a call. */
export class GrpcError extends PlayError {
  override readonly name = 'GrpcError';
  readonly status: number;
  constructor(method: string, status: number, words: string, host: string) {
    super(`${method.split('/').at(-1)}: ${words || `gRPC status ${status}`}`, { host });
    this.status = status;
  }
}

/** A member that is there, and is too slow or stands still. */
export class NoAnswerError extends UnreachableError {
  override readonly name = 'NoAnswerError';
  constructor(timeoutMs: number, host: string, hasBegun = false) {
    const words = hasBegun ? `nothing more has come from etcd for ${seconds(timeoutMs)}` : noAnswer(timeoutMs);
    super(words, { host, next: 'Run again.' });
  }
}

export const noAnswer = (timeoutMs: number): string => `etcd does not answer within ${seconds(timeoutMs)}`;

const seconds = (ms: number): string => `${ms < 1000 ? ms / 1000 : Math.round(ms / 1000)} s`;

export interface StreamOptions {
  /** The longest that nothing may come. */
  stallMs: number;
  /** Asked where nothing came for that long, and what it throws ends the call. Without it the silence does. */
  onSilence?(): Promise<unknown>;
  signal?: AbortSignal | undefined;
  /** More is to be asked on the same stream, by messages that are sent later; without it one question ends it. */
  onOpen?(send: (request: Buffer) => void): void;
  /** Takes the bytes of the answer as they come; while its promise is open, nothing more is taken from the wire. */
  take(piece: Buffer): Promise<unknown> | undefined;
}

/** gRPC with one member over one HTTP/2 connection, in constant memory. */
export interface GrpcSession {
  /** False once either side has ended it. */
  readonly isOpen: boolean;
  /** One question, one answer. @throws GrpcError, UnreachableError. */
  ask(method: string, request: Buffer, deadlineMs: number): Promise<Buffer>;
  /** One question, an answer of many messages, handed out as it comes, framing and all. @throws GrpcError, UnreachableError. */
  stream(method: string, request: Buffer, options: StreamOptions): Promise<void>;
  close(): void;
}

/** A session with a member through its host's connection. @throws UnreachableError, TunnelError. */
export async function openSession(
  connection: Connection,
  { address, port, serverName }: MemberAddress,
  identity: ClientIdentity,
): Promise<GrpcSession> {
  return secureSession(await connection.openStream(address, port), connection.host, serverName, identity);
}

/** A session by TLS over a stream that is open. The stream is closed where that fails. */
export async function secureSession(
  stream: Duplex,
  host: string,
  serverName: string,
  { caPem, certPem, keyPem }: Partial<ClientIdentity>,
): Promise<GrpcSession> {
  // The context is given whole: with `ca` alone a chain of the system's own would be trusted beside it.
  const secure = connectTls({
    socket: stream,
    // An address is no name that may be asked for (RFC 6066), and stands in the certificate all the same.
    ...(isIP(serverName) ? { host: serverName } : { servername: serverName }),
    ca: caPem,
    cert: certPem,
    key: keyPem,
    ALPNProtocols: ['h2'],
  });
  try {
    await secured(secure, host);
  } catch (error) {
    stream.destroy();
    throw error;
  }
  return sessionOver(secure, host);
}

function secured(secure: TLSSocket, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void) => {
      clearTimeout(timer);
      secure.off('error', onError).off('close', onClose).off('secureConnect', onSecure);
      then();
    };
    const fail = (why: string, cause?: Error) =>
      settle(() => {
        secure.on('error', () => undefined).destroy();
        const next = 'Look at etcd there (journalctl -u etcd.service) and at its certificates.';
        reject(new PlayError(`etcd cannot be spoken to: ${why}`, { host, cause, next }));
      });
    const onError = (error: Error) => fail(error.message, error);
    const onClose = () => fail('it closed the connection');
    const onSecure = () => settle(resolve);
    const timer = setTimeout(() => fail(`no answer within ${OPENING_MS / 1000} s`), OPENING_MS);
    secure.once('error', onError).once('close', onClose).once('secureConnect', onSecure);
  });
}

/** A session over a socket that is open: one through a tunnel, or a local one. */
export function sessionOver(socket: Duplex, host: string): GrpcSession {
  const session = connectHttp2('http://localhost', {
    createConnection: () => socket,
    settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    maxSessionMemory: MEMORY_MB,
  });
  let broken: Error | undefined;
  session.on('error', (error: Error) => {
    broken = error;
  });
  session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
  const calls = new Set<Call>();
  // A process that was killed ends its half of a tunnel and no more: HTTP/2 waits for both.
  socket.once('end', () => {
    for (const call of calls) call.keepWhatCame();
    socket.destroy();
  });
  const stream = async (method: string, request: Buffer, options: StreamOptions) => {
    const call = new Call(session, method, host, () => broken);
    calls.add(call);
    await call.run(request, options).finally(() => calls.delete(call));
  };
  return {
    get isOpen() {
      return !session.closed && !session.destroyed;
    },
    stream,
    async ask(method, request, deadlineMs) {
      const pieces: Buffer[] = [];
      const take = (piece: Buffer) => void pieces.push(piece);
      await stream(method, request, { stallMs: deadlineMs, take });
      const answer = Buffer.concat(pieces);
      if (answer.length < 5 || answer.readUInt32BE(1) !== answer.length - 5) {
        throw new PlayError(`${method}: the answer is no message`, { host });
      }
      return answer.subarray(5);
    },
    close() {
      session.destroy();
      socket.destroy();
    },
  };
}

const READING_MS = 50;

class Call {
  readonly #method: string;
  readonly #host: string;
  readonly #broken: () => Error | undefined;
  readonly #stream: ClientHttp2Stream;
  /** All that came was read, though the stream has not ended. */
  #isRead = false;

  constructor(session: ClientHttp2Session, method: string, host: string, broken: () => Error | undefined) {
    if (session.destroyed || session.closed) throw lost(host, broken());
    this.#method = method;
    this.#host = host;
    this.#broken = broken;
    this.#stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: method,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    });
  }

  /** What a slow taker has left in the stream would go with the socket. */
  keepWhatCame(): void {
    while (this.#stream.read() !== null);
    this.#isRead = true;
  }

  run(request: Buffer, { stallMs, signal, onSilence, onOpen, take }: StreamOptions): Promise<void> {
    const stream = this.#stream;
    return new Promise<void>((resolve, reject) => {
      let failure: unknown;
      let status: { code: number; words: string } | undefined;
      let [isTaking, isOver] = [false, false];
      /** What came while a piece was being taken. */
      const kept: Buffer[] = [];
      const settle = () => {
        // Whatever came before the end is taken before it is told.
        if (failure === undefined && isTaking) return;
        if (failure !== undefined) reject(failure);
        else if (!status) reject(lost(this.#host, this.#broken()));
        else if (status.code !== 0) reject(new GrpcError(this.#method, status.code, status.words, this.#host));
        else if (!this.#isRead && !stream.readableEnded) reject(lost(this.#host, this.#broken()));
        else resolve();
      };
      const fail = (error: unknown) => {
        failure ??= error;
        if (isOver) settle();
        else stream.close(constants.NGHTTP2_CANCEL);
      };
      let came = 0;
      // After a standstill of this machine the timer comes first, and what has come meanwhile is still to be read.
      const late = () => {
        const before = came;
        setTimeout(() => {
          if (came !== before || isOver) return;
          if (onSilence) onSilence().then(wait, fail);
          else fail(new NoAnswerError(stallMs, this.#host, came > 0));
        }, READING_MS);
      };
      let timer: NodeJS.Timeout | undefined;
      const wait = () => {
        clearTimeout(timer);
        // While we are slow ourselves, the far end is not late.
        if (!isTaking && !isOver) timer = setTimeout(late, stallMs);
      };
      wait();
      const onAbort = () => fail(new PlayError('the run was ended', { host: this.#host }));
      signal?.addEventListener('abort', onAbort, { once: true });
      const note = (headers: Record<string, unknown>) => {
        const code = headers['grpc-status'];
        if (code !== undefined) status = { code: Number(code), words: decoded(String(headers['grpc-message'] ?? '')) };
        else if (headers[':status'] !== undefined && headers[':status'] !== 200) {
          status = { code: GrpcStatus.unavailable, words: `HTTP status ${headers[':status']}` };
        }
      };
      stream.on('response', note).on('trailers', note);
      const give = (piece: Buffer) => {
        let taken: Promise<unknown> | undefined;
        try {
          taken = take(piece);
        } catch (error) {
          return fail(error);
        }
        if (!taken) return;
        isTaking = true;
        stream.pause();
        wait();
        taken.then(goOn, fail);
      };
      const goOn = () => {
        isTaking = false;
        while (!isTaking && failure === undefined && kept.length > 0) give(kept.shift()!);
        if (isTaking) return;
        if (isOver) return settle();
        wait();
        stream.resume();
      };
      stream.on('data', (piece: Buffer) => {
        came++;
        if (isTaking) return void kept.push(piece);
        timer?.refresh();
        give(piece);
      });
      stream.on('error', (error) => {
        failure ??= lost(this.#host, error);
      });
      stream.once('close', () => {
        isOver = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        settle();
      });
      if (signal?.aborted) return onAbort();
      if (!onOpen) return void stream.end(framed(request));
      stream.write(framed(request));
      onOpen((more) => {
        if (!stream.closed && !stream.destroyed) stream.write(framed(more));
      });
    });
  }
}

/** A message as it goes over the wire: not compressed, and its length. */
function framed(request: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(request.length, 1);
  return Buffer.concat([head, request]);
}

function lost(host: string, cause: Error | undefined): UnreachableError {
  const why = cause ? `: ${cause.message}` : '';
  return new UnreachableError(`the connection to etcd was lost${why}`, { host, cause, next: 'Run again.' });
}

/** Messages come percent-encoded. */
function decoded(words: string): string {
  try {
    return decodeURIComponent(words);
  } catch {
    return words;
  }
}
