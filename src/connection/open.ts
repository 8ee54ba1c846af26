import type { Connection } from './connection.ts';
import type { ConnectionSettings } from './settings.ts';

/** Opens the kind of connection that the settings ask for; what is not needed is not loaded. */
export async function openConnection(settings: ConnectionSettings): Promise<Connection> {
  if (settings.local) return (await import('./local.ts')).connectLocal(settings);
  return (await import('./ssh.ts')).connectSsh(settings);
}
