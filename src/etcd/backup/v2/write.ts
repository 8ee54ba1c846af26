import { Agent, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import type { Connection } from '../../../connection/connection.ts';
import { PlayError } from '../../../errors.ts';
import type { ClientIdentity, MemberAddress } from '../../client.ts';
import { whyNoAnswer } from '../../http.ts';
import type { V2Write } from './keys.ts';

const DEADLINE_MS = 30_000;
/** As many requests at once: they wait for the disk of the members. */
const AT_ONCE = 4;
/** The error of v2 for what is there already (E/v2error). */
const NODE_EXISTS = 105;

/**
 * Writes keys and directories by the v2 API of a member, through its host's connection. What is there already stays; what has expired
 * is left out.
 */
export async function writeV2(
  connection: Connection,
  at: MemberAddress,
  identity: ClientIdentity,
  writes: readonly V2Write[],
  signal: AbortSignal,
): Promise<void> {
  const agent = agentThrough(connection, at, identity);
  // A directory that expires is there before what is in it, which would make it without an end.
  const directories = writes.filter(({ value }) => value === undefined);
  const keys = writes.filter(({ value }) => value !== undefined);
  const put = async (write: V2Write) => {
    if (signal.aborted) throw new PlayError('the run was ended');
    await putOne(agent, at.serverName, write);
  };
  try {
    for (const one of directories) await put(one);
    const rest = keys.values();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const one of rest) await put(one);
      }),
    );
  } catch (error) {
    throw await whyNoAnswer(connection, 'the v2 API does not take the keys', error);
  } finally {
    agent.destroy();
  }
}

async function putOne(agent: Agent, host: string, { key, value, expiration }: V2Write): Promise<void> {
  const form = new URLSearchParams({ prevExist: 'false', ...(value === undefined ? { dir: 'true' } : { value }) });
  if (expiration !== undefined) {
    const ttl = Math.ceil((Date.parse(expiration) - Date.now()) / 1000);
    if (ttl <= 0) return;
    form.set('ttl', String(ttl));
  }
  const path = `/v2/keys${key.split('/').map(encodeURIComponent).join('/')}`;
  const { status, body } = await send(agent, host, path, form.toString());
  if (status === 200 || status === 201) return;
  if (body.includes(`"errorCode":${NODE_EXISTS},`)) return;
  throw new PlayError(`the v2 API does not take ${key}: ${body.trim().slice(0, 200) || `HTTP ${status}`}`, {
    next: 'Run again.',
  });
}

function send(agent: Agent, host: string, path: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
    };
    const sending = request({ agent, host, path, method: 'PUT', headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', reject);
    });
    sending.setTimeout(DEADLINE_MS, () => sending.destroy(new PlayError('the v2 API does not answer')));
    sending.on('error', reject);
    sending.end(body);
  });
}

function agentThrough(connection: Connection, at: MemberAddress, identity: ClientIdentity): Agent {
  const { address, port, serverName } = at;
  const { caPem: ca, certPem: cert, keyPem: key } = identity;
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  agent.createConnection = (_options, done) => {
    const opened = (stream: Duplex) =>
      done?.(null, connect({ socket: stream, servername: serverName, host: serverName, ca, cert, key }));
    connection.openStream(address, port).then(opened, (error: Error) => done?.(error, undefined as never));
    return undefined;
  };
  return agent;
}
