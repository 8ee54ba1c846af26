import { fieldsOf, message } from './protobuf.ts';
import { GrpcError, type GrpcSession } from './session.ts';

export interface LeasesApi {
  /** Makes a lease with an ID of one's own. Gives the seconds that etcd made of it, or undefined where the ID is taken. */
  grant(id: bigint, seconds: number): Promise<number | undefined>;
  /** Ends a lease, and all keys that belong to it. One that is gone already is no fault. */
  revoke(id: bigint): Promise<void>;
}

const LEASE_MS = 30_000;

export function leasesApi(session: GrpcSession): LeasesApi {
  const lease = (name: string) => `/etcdserverpb.Lease/${name}`;
  return {
    async grant(id, seconds) {
      try {
        const answer = await session.ask(lease('LeaseGrant'), message({ 1: seconds, 2: id }), LEASE_MS);
        return Number([...fieldsOf(answer)].find(({ number }) => number === 3)?.value ?? 0n);
      } catch (error) {
        if (error instanceof GrpcError && /lease already exists/.test(error.message)) return undefined;
        throw error;
      }
    },
    async revoke(id) {
      try {
        await session.ask(lease('LeaseRevoke'), message({ 1: id }), LEASE_MS);
      } catch (error) {
        if (!(error instanceof GrpcError && /lease not found/.test(error.message))) throw error;
      }
    },
  };
}
