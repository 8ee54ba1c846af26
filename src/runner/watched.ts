import type { Connection, RunOptions } from '../connection/connection.ts';
import type { ConnectionSettings } from '../connection/settings.ts';
import { concealLines } from '../secret.ts';
import type { Listener } from './events.ts';

/** What somebody wants to see of connections: each script, or also what it is and what it says. */
export type Watch = 'scripts' | 'output';

/** The same connection, which tells of each script that goes over it. */
export function watched(connection: Connection, watch: Watch, emit: Listener): Connection {
  const { host } = connection;
  const run = async (script: string, options?: RunOptions) => {
    const started = performance.now();
    const sentBytes = options?.input?.sizeBytes ?? 0;
    const shown = watch === 'output' ? { script: concealLines(script) } : {};
    const tell = (rest: { code: number | undefined; stdout?: string; stderr?: string }) =>
      emit({
        type: 'script',
        host,
        number: connection.roundTrips,
        sentBytes,
        durationMs: performance.now() - started,
        ...shown,
        ...rest,
      });
    try {
      const result = await connection.run(script, options);
      const { code, stdout, stderr } = result;
      tell(watch === 'output' ? { code, stdout: concealLines(stdout), stderr: concealLines(stderr) } : { code });
      return result;
    } catch (error) {
      tell({ code: undefined });
      throw error;
    }
  };
  return {
    host,
    run,
    hold: (lock) => connection.hold(lock),
    openStream: (address, port) => connection.openStream(address, port),
    get roundTrips() {
      return connection.roundTrips;
    },
    get isLost() {
      return connection.isLost;
    },
    close: () => connection.close(),
  };
}

/** Where a connection goes and as whom, in words; no secret is among them. */
export function connectionText(settings: ConnectionSettings): string {
  const { local, address, port, user, become, becomeUser, way, keyFileNamed, keyFiles } = settings;
  // Who logs in as the wanted user needs no sudo.
  const root = become && user !== becomeUser ? `, then ${becomeUser} by sudo` : '';
  if (local) return 'this machine';
  const through =
    way.by === 'jump' ? ` through ${way.through.host}` : way.by === 'command' ? ' through a proxy command' : '';
  const key = keyFileNamed && keyFiles[0] !== undefined ? `, key ${keyFiles[0]}` : '';
  return `${user}@${address}:${port}${through}${key}${root}`;
}
