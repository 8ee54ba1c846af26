import type { Connection } from '../connection/connection.ts';
import { openConnection } from '../connection/open.ts';
import type { ConnectionSettings } from '../connection/settings.ts';

/** sshd drops log-ins at random when too many are under way (MaxStartups), and one control machine has few cores. */
const DIALS_AT_ONCE = 32;

/** One connection for each host, opened when first asked for and kept until the run ends. */
export class ConnectionPool {
  readonly #settings: (host: string) => ConnectionSettings;
  readonly #open = new Map<string, Promise<Connection>>();
  readonly #waiting: (() => void)[] = [];
  #dialing = 0;

  constructor(settings: (host: string) => ConnectionSettings) {
    this.#settings = settings;
  }

  get(host: string): Promise<Connection> {
    let connection = this.#open.get(host);
    if (!connection) {
      connection = this.#dial(this.#settings(host));
      connection.catch(() => undefined);
      this.#open.set(host, connection);
    }
    return connection;
  }

  async #dial(settings: ConnectionSettings): Promise<Connection> {
    while (this.#dialing >= DIALS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#dialing++;
    try {
      return await openConnection(settings);
    } finally {
      this.#dialing--;
      this.#waiting.shift()?.();
    }
  }

  /** Ends all connections, also those that are still being opened. */
  close(): void {
    for (const connection of this.#open.values()) connection.then((c) => c.close()).catch(() => undefined);
    this.#open.clear();
  }
}
