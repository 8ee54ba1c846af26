import type { Connection } from '../../../src/connection/connection.ts';
import { connectLocal } from '../../../src/connection/local.ts';
import { connectionSettings } from '../../../src/connection/settings.ts';

/** A connection to this very machine, by the same framed shell as to any other. */
export function localShell(host = 'here'): Promise<Connection> {
  const vars = new Map([['ansible_connection', { value: 'local', origin: { file: 'test', line: 1 } }]]);
  return connectLocal(connectionSettings(host, vars, { become: false }));
}
