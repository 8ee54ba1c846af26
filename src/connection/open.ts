import type { Connection } from './connection.ts';
import type { Routes } from './routes.ts';
import type { ConnectionSettings } from './settings.ts';

/**
 * Opens the kind of connection that the settings ask for; what is not needed is not loaded. Without `routes` the
 * connection has jump hosts of its own, which end with it.
 */
export async function openConnection(settings: ConnectionSettings, routes?: Routes): Promise<Connection> {
  if (settings.local) return (await import('./local.ts')).connectLocal(settings);
  const { connectSsh } = await import('./ssh.ts');
  if (routes) return connectSsh(settings, routes);
  const own = await ownRoutes();
  try {
    const connection = await connectSsh(settings, own);
    const close = connection.close.bind(connection);
    connection.close = () => {
      close();
      own.close();
    };
    return connection;
  } catch (error) {
    own.close();
    throw error;
  }
}

async function ownRoutes(): Promise<Routes> {
  const [{ Routes }, { PrivateKeys }] = await Promise.all([import('./routes.ts'), import('./private-keys.ts')]);
  return new Routes(new PrivateKeys());
}
