import type { Connection } from '../connection/connection.ts';
import { openConnection } from '../connection/open.ts';
import type { AskSecret } from '../connection/private-keys.ts';
import type { Routes } from '../connection/routes.ts';
import type { ConnectionSettings, LoginSettings } from '../connection/settings.ts';
import { Turns } from '../connection/turns.ts';
import { UnreachableError } from '../errors.ts';

/** sshd drops log-ins at random when too many are under way (MaxStartups), and one control machine has few cores. */
const DIALS_AT_ONCE = 32;

/** A host that could not be reached is left alone for this long. */
const AGAIN_MS = 30_000;

interface Ground {
  routes: Routes;
  unlock(login: LoginSettings): Promise<void>;
}

/** One connection for each host, opened when first asked for and kept until the run ends. */
export class ConnectionPool {
  readonly #settings: (host: string) => Promise<ConnectionSettings>;
  readonly #ask: AskSecret | undefined;
  readonly #open = new Map<string, Promise<Connection>>();
  readonly #failedAt = new Map<string, number>();
  readonly #turns = new Turns(DIALS_AT_ONCE);
  #ground: Promise<Ground> | undefined;
  #isClosed = false;

  constructor(settings: (host: string) => Promise<ConnectionSettings>, ask?: AskSecret) {
    this.#settings = settings;
    this.#ask = ask;
  }

  /** Asks for all passphrases that these hosts need, while the terminal is still free. @throws InputError. */
  async prepare(hosts: readonly string[]): Promise<void> {
    const all = await Promise.all(hosts.map((host) => this.#settings(host)));
    const remote = all.filter(({ local }) => !local);
    if (remote.length === 0) return;
    const { unlock } = await this.#loaded();
    for (const settings of remote) {
      for (let login: LoginSettings | undefined = settings; login; ) {
        await unlock(login);
        login = login.way.by === 'jump' ? login.way.through : undefined;
      }
    }
  }

  get(host: string): Promise<Connection> {
    return this.#open.get(host) ?? this.#begin(host);
  }

  /** The same, but one that was lost is opened again, and one that could not be opened is tried again after a while. */
  async renewed(host: string): Promise<Connection> {
    const kept = this.get(host);
    const since = performance.now();
    const isOfUse = await kept.then(
      ({ isLost }) => !isLost,
      () => since - (this.#failedAt.get(host) ?? since) < AGAIN_MS,
    );
    if (isOfUse) return kept;
    // Whoever came first has opened it for all.
    return this.#open.get(host) === kept ? this.#begin(host) : this.get(host);
  }

  #begin(host: string): Promise<Connection> {
    const connection = this.#turns.take(() => this.#dial(host));
    connection.catch(() => this.#failedAt.set(host, performance.now()));
    this.#open.set(host, connection);
    return connection;
  }

  async #dial(host: string): Promise<Connection> {
    if (this.#isClosed) throw new UnreachableError('the run has ended', { host });
    const settings = await this.#settings(host);
    return settings.local ? openConnection(settings) : openConnection(settings, (await this.#loaded()).routes);
  }

  /** ssh2 takes a while to load, and not every run needs it. */
  #loaded(): Promise<Ground> {
    this.#ground ??= (async () => {
      const [{ PrivateKeys }, { Routes }, { unlockKeys }] = await Promise.all([
        import('../connection/private-keys.ts'),
        import('../connection/routes.ts'),
        import('../connection/authentication.ts'),
      ]);
      const keys = new PrivateKeys(this.#ask);
      return { routes: new Routes(keys), unlock: (login) => unlockKeys(login, keys) };
    })();
    return this.#ground;
  }

  /** Ends all connections, also those that are still being opened; those to jump hosts last. */
  close(): void {
    this.#isClosed = true;
    const open = [...this.#open.values()];
    for (const connection of open) connection.then((c) => c.close()).catch(() => undefined);
    this.#open.clear();
    void this.#ground?.then(({ routes }) => routes.close());
  }
}
