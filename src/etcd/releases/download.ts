import { InputError } from '../../errors.ts';

export interface DownloadLimits {
  signal?: AbortSignal;
  /** How long it may stand still, from the first look-up of the address on. */
  stallMs?: number;
}

export interface Download {
  /** As the server announces it. */
  totalBytes: number | undefined;
  /** The next piece; undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Gives the connection up; harmless after the end. */
  close(): void;
}

const stallDefaultMs = 30_000;

/** Raised when nothing came for too long. */
class StalledError extends Error {
  readonly stallMs: number;
  constructor(stallMs: number) {
    super(`nothing came for ${stallMs / 1000} s`);
    this.stallMs = stallMs;
  }
}

/** Raised for an answer that is not the file. */
class AnswerError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Opens a download; redirects are followed, but none from https to http. Every wait in it has a deadline. */
export async function openDownload(url: string, limits: DownloadLimits): Promise<Download> {
  const stallMs = limits.stallMs ?? stallDefaultMs;
  const stop = new AbortController();
  const onAbort = () => stop.abort(limits.signal?.reason);
  limits.signal?.addEventListener('abort', onAbort, { once: true });
  if (limits.signal?.aborted) onAbort();
  const guarded = async <T>(wait: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => stop.abort(new StalledError(stallMs)), stallMs);
    try {
      return await wait;
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : error;
    } finally {
      clearTimeout(timer);
    }
  };
  const close = () => {
    limits.signal?.removeEventListener('abort', onAbort);
    stop.abort();
  };
  try {
    // Without compression in between, the announced length is that of the file.
    const headers = { 'accept-encoding': 'identity' };
    const response = await guarded(fetch(url, { signal: stop.signal, redirect: 'follow', headers }));
    if (!response.ok || response.body === null) {
      throw new AnswerError(response.status, `${response.status} ${response.statusText}`.trim());
    }
    if (url.startsWith('https:') && !response.url.startsWith('https:')) {
      throw new AnswerError(0, `it was redirected to ${response.url}, which is not encrypted`);
    }
    const length = Number(response.headers.get('content-length') ?? Number.NaN);
    const reader = response.body.getReader();
    return {
      totalBytes: Number.isSafeInteger(length) ? length : undefined,
      async next() {
        const { value, done } = await guarded(reader.read());
        return done ? undefined : value;
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** A small text as a whole. */
export async function readAll(url: string, limits: DownloadLimits): Promise<string> {
  const body = await openDownload(url, limits);
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (let chunk = await body.next(); chunk !== undefined; chunk = await body.next()) {
      size += chunk.length;
      if (size > 1024 ** 2) throw new AnswerError(200, 'it is longer than 1 MiB');
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    body.close();
  }
}

/**
 * What went wrong with a download, for the person who must act. An interruption by the caller is handed back as it is.
 * @param done how far it was, if it had begun.
 */
export function downloadProblem(
  error: unknown,
  url: string,
  next: string,
  done?: { doneBytes: number; totalBytes: number | undefined },
): unknown {
  if (error instanceof InputError || (error as Error | undefined)?.name === 'AbortError') return error;
  const why = reason(error, url, done);
  if (why === undefined) return error;
  const proxy = process.env.HTTPS_PROXY ?? process.env.https_proxy;
  const byProxy =
    proxy && !process.env.NODE_USE_ENV_PROXY
      ? ' HTTPS_PROXY is used only by Node 24 and later, with NODE_USE_ENV_PROXY=1.'
      : '';
  return new InputError(why, { next: next + byProxy, cause: error });
}

function reason(
  error: unknown,
  url: string,
  done: { doneBytes: number; totalBytes: number | undefined } | undefined,
): string | undefined {
  const soFar = done ? ` after ${done.doneBytes}${done.totalBytes ? ` of ${done.totalBytes}` : ''} bytes` : '';
  if (error instanceof StalledError) return `${url} stood still${soFar}: ${error.message}`;
  if (error instanceof AnswerError) {
    return error.status === 404 ? `${url} is not there (404)` : `${url} was not given: ${error.message}`;
  }
  if (!(error instanceof Error)) return undefined;
  const cause = (error.cause ?? error) as NodeJS.ErrnoException;
  const { hostname } = new URL(url);
  switch (cause.code) {
    case 'ENOTFOUND':
      return `${url} cannot be reached: there is no host ${hostname}`;
    case 'EAI_AGAIN':
      return `${url} cannot be reached: the name ${hostname} could not be looked up`;
    case 'ECONNREFUSED':
      return `${url} cannot be reached: the connection was refused`;
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${url} cannot be reached: ${hostname} does not answer`;
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return `${url} was cut short${soFar}: the connection was closed`;
  }
  if (/CERT|SSL|TLS|SIGNATURE/.test(cause.code ?? '')) {
    return `${url} cannot be trusted: ${cause.message} (NODE_EXTRA_CA_CERTS names further CAs)`;
  }
  return error.name === 'TypeError' ? `${url} could not be read${soFar}: ${cause.message || error.message}` : undefined;
}
