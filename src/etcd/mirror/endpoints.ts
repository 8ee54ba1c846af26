import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { InputError, UnreachableError } from '../../errors.ts';
import type { ClientIdentity } from '../client.ts';
import { secureSession, sessionOver } from '../grpc/session.ts';
import { Answers, askSession, type ClusterDoor, type OpenMember } from '../live/sessions.ts';

export interface EndpointOptions {
  /** Files of PEM; where none is named, the CAs of this machine, and no certificate of one's own. */
  ca: string | undefined;
  cert: string | undefined;
  key: string | undefined;
  /** A name in the certificates in place of the one that is dialled. */
  serverName: string | undefined;
}

const DIAL_MS = 10_000;

/** `https://10.0.0.1:2379,host:2379`, or undefined where it is no such list. Pure. */
export function readEndpoints(words: string): URL[] | undefined {
  const all = words.split(',').filter((word) => word !== '');
  const urls = all.map((word) => {
    const full = /^https?:\/\//.test(word) ? word : /^[\w.[\]:-]+:\d+$/.test(word) ? `https://${word}` : '';
    return URL.canParse(full) ? new URL(full) : undefined;
  });
  if (urls.length === 0 || urls.some((url) => !url || !/^\/?$/.test(url.pathname))) return undefined;
  return urls as URL[];
}

/** A cluster that is reached from this machine itself. */
export class EndpointSessions implements ClusterDoor {
  readonly name: string;
  readonly endpoints: readonly string[];
  readonly #urls: readonly URL[];
  readonly #identity: Partial<ClientIdentity>;
  readonly #serverName: string | undefined;
  readonly #answers = new Answers();

  /** @throws InputError for files that cannot be read. */
  constructor(urls: readonly URL[], { ca, cert, key, serverName }: EndpointOptions) {
    if ((cert === undefined) !== (key === undefined)) {
      throw new InputError('to_cert and to_key belong together', { next: 'Name both, or neither.' });
    }
    this.#urls = urls;
    this.endpoints = urls.map(addressOf);
    this.name = this.endpoints.join(',');
    this.#serverName = serverName;
    this.#identity = {
      ...(ca !== undefined && { caPem: read(ca) }),
      ...(cert !== undefined && { certPem: read(cert) }),
      ...(key !== undefined && { keyPem: read(key) }),
    };
  }

  askUntilLed(): Promise<void> {
    return this.#answers.untilLed(() => this.askAll());
  }

  async askAll(): Promise<number> {
    await Promise.all(this.#urls.map((url) => this.#ask(url)));
    return this.#answers.size;
  }

  best(): OpenMember {
    return this.#answers.best(this.endpoints);
  }

  close(): void {
    this.#answers.close();
  }

  async #ask(url: URL): Promise<void> {
    const name = addressOf(url);
    try {
      const socket = await dial(url, name);
      const host = url.hostname.replace(/^\[|\]$/g, '');
      const session =
        url.protocol === 'http:'
          ? sessionOver(socket, name)
          : await secureSession(socket, name, this.#serverName ?? host, this.#identity);
      this.#answers.note(name, await askSession(name, session));
    } catch (error) {
      this.#answers.noteSilence(name, (error as Error).message);
    }
  }
}

function addressOf(url: URL): string {
  return `${url.protocol}//${url.host}`;
}

function dial(url: URL, host: string): Promise<Socket> {
  const port = Number(url.port) || (url.protocol === 'http:' ? 80 : 443);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port, noDelay: true });
    const fail = (why: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new UnreachableError(why, { host }));
    };
    const timer = setTimeout(() => fail(`no answer within ${DIAL_MS / 1000} s`), DIAL_MS);
    socket.once('error', (error) => fail(error.message));
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error').on('error', () => undefined);
      resolve(socket);
    });
  });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new InputError(`this file cannot be read: ${(error as Error).message}`, { file, cause: error });
  }
}
