import type { Connection } from '../../connection/connection.ts';
import type { ClientIdentity, MemberAddress } from '../client.ts';
import { fieldsOf, message } from './protobuf.ts';
import { GrpcError, openSession } from './session.ts';

/** What a member says of versions. */
export interface SpokenVersions {
  server: string;
  /** The minor version of its data; from 3.6 on. */
  storage?: string;
  /** The minor version that a downgrade goes to, while one is under way; from 3.6 on. */
  downgrade?: string;
}

/** The questions and orders of one member that upgrades and downgrades need. */
export interface VersionApi {
  versions(): Promise<SpokenVersions>;
  /** Whether users and roles are in force. */
  isAuthEnabled(): Promise<boolean>;
  /** `enable` needs a minor version, as `3.5.0`. @throws GrpcError with the member's own no. */
  downgrade(order: 'validate' | 'enable' | 'cancel', version?: string): Promise<void>;
  close(): void;
}

const QUICK_MS = 5_000;
const ORDER_MS = 15_000;
/** gRPC's DEADLINE_EXCEEDED and UNAVAILABLE. */
const NO_ANSWER = [4, 14];
const ORDERS = { validate: 0, enable: 1, cancel: 2 } as const;

export async function openVersionApi(
  connection: Connection,
  address: MemberAddress,
  identity: ClientIdentity,
): Promise<VersionApi> {
  const session = await openSession(connection, address, identity);
  const maintenance = (name: string) => `/etcdserverpb.Maintenance/${name}`;
  return {
    versions: async () => spokenVersions(await session.ask(maintenance('Status'), message({}), QUICK_MS)),
    async isAuthEnabled() {
      try {
        // No user has no name: it only tells whether anybody is asked for one.
        await session.ask('/etcdserverpb.Auth/Authenticate', message({}), QUICK_MS);
        return true;
      } catch (error) {
        // Without a leader it cannot tell.
        if (!(error instanceof GrpcError) || NO_ANSWER.includes(error.status)) throw error;
        return !/authentication is not enabled/.test(error.message);
      }
    },
    async downgrade(order, version = '') {
      const request = message({ 1: ORDERS[order], 2: Buffer.from(version) });
      await session.ask(maintenance('Downgrade'), request, ORDER_MS);
    },
    close: () => session.close(),
  };
}

/** etcd's rpc.proto, StatusResponse: storageVersion and downgradeInfo are new in 3.6. */
export function spokenVersions(bytes: Buffer): SpokenVersions {
  const fields = [...fieldsOf(bytes)];
  const text = (number: number) => fields.find((field) => field.number === number)?.bytes.toString() ?? '';
  const storage = minorText(text(11));
  const info = [...fieldsOf(fields.find(({ number }) => number === 13)?.bytes ?? Buffer.alloc(0))];
  const enabled = info.find(({ number }) => number === 1)?.value === 1n;
  const target = minorText(info.find(({ number }) => number === 2)?.bytes.toString() ?? '');
  return {
    server: text(2),
    ...(storage !== undefined && { storage }),
    ...(enabled && target !== undefined && { downgrade: target }),
  };
}

/** `3.6` of `3.6.0`. */
export function minorText(version: string): string | undefined {
  return /^(\d+\.\d+)\./.exec(version)?.[1];
}
