import type { Connection } from '../../../connection/connection.ts';
import { PlayError } from '../../../errors.ts';
import type { ClientIdentity, MemberAddress } from '../../client.ts';
import { askHttp, type HttpAnswer, whyNoAnswer } from '../../http.ts';
import type { V2Node } from './keys.ts';

/** Asks for a path of the v2 API, such as `/v2/keys`. */
export type V2Get = (path: string) => Promise<Pick<HttpAnswer, 'status' | 'body'>>;

export function v2GetFrom(connection: Connection, address: MemberAddress, identity: ClientIdentity): V2Get {
  return (path) =>
    askHttp(connection, address, identity, path, ASKING_MS).catch(async (error: unknown) => {
      throw await whyNoAnswer(connection, 'the v2 API gives no answer', error);
    });
}

const ASKING_MS = 60_000;

/** `off`: not served; `locked`: its users must log in, and we are none of them. Hidden keys (`/_name`) are never listed. */
export type V2State = 'off' | 'empty' | 'locked' | 'content';

export async function v2State(get: V2Get): Promise<V2State> {
  const { status, body } = await get('/v2/keys');
  if (status === 401) return 'locked';
  if (status !== 200) return 'off';
  return (rootIn(body).nodes?.length ?? 0) > 0 ? 'content' : 'empty';
}

/** All keys and directories; undefined where users must log in. @throws PlayError where the v2 API is not served. */
export async function v2Tree(get: V2Get): Promise<V2Node | undefined> {
  const { status, body } = await get('/v2/keys/?recursive=true&sorted=true');
  if (status === 401) return undefined;
  if (status !== 200) throw new PlayError(`the v2 API is not served (HTTP ${status})`);
  return rootIn(body);
}

function rootIn(body: string): V2Node {
  const { node } = JSON.parse(body) as { node?: V2Node };
  return { ...node, key: '/' };
}
