import type { Connection } from '../../../src/connection/connection.ts';

/** A host that answers scripts with what a function gives, and can do nothing else. */
export function fakeConnection(run: Connection['run'], host = 'h1'): Connection {
  const known: Partial<Connection> = { host, run, roundTrips: 0, close: () => undefined };
  return known as Connection;
}
