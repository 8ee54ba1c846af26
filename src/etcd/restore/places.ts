import { type DataPart, dataParts, foldersOf, settingUnder } from '../data-parts.ts';
import type { LiveCluster } from '../live/cluster.ts';
import type { EtcdSettings } from '../variables.ts';

/** Names of what a restore makes on a host, by the time of the run: two runs are never in each other's way. */
export class RestorePlaces {
  readonly stamp: string;
  readonly parts: readonly DataPart[];
  readonly #settings: EtcdSettings;
  readonly #isMount: boolean;

  /** @param isMount the data directory stays where it is, and all is made within. */
  constructor(settings: EtcdSettings, stamp: string, isMount: boolean) {
    this.#settings = settings;
    this.#isMount = isMount;
    this.stamp = stamp;
    this.parts = dataParts(settings, isMount);
  }

  /** The same of another run. */
  of(stamp: string): RestorePlaces {
    return new RestorePlaces(this.#settings, stamp, this.#isMount);
  }

  /** Where the snapshot is sent to. It lies with the data, and so on a disk of their size. */
  get snapshot(): string {
    return `${this.dataDir}.db`;
  }

  /** What is in place, what it is restored to, and where either of them goes. */
  get pairs(): { now: string; fresh: string; kept: string; failed: string }[] {
    const at = (part: DataPart, why: string) => part.under(`${why}-${this.stamp}`);
    return this.parts.map((part) => ({
      now: part.now,
      fresh: at(part, 'restore'),
      kept: at(part, 'bak'),
      failed: at(part, 'failed'),
    }));
  }

  /** What the restored ones are to etcd's tool. */
  get dataDir(): string {
    return this.parts[0]!.folder(`restore-${this.stamp}`);
  }

  get walDir(): string | undefined {
    const { walDir } = this.#settings;
    return walDir && settingUnder(this.#settings, this.parts, walDir, `restore-${this.stamp}`);
  }

  /** What is made for the restored ones. */
  get made(): string[] {
    return foldersOf(this.parts, `restore-${this.stamp}`);
  }

  /** Where old data lie aside. */
  get aside(): string[] {
    return foldersOf(this.parts, `bak-${this.stamp}`);
  }
}

export function placesOn(cluster: LiveCluster, host: string, stamp: string): RestorePlaces {
  return new RestorePlaces(cluster.own(host), stamp, cluster.lastSeen(host).facts.data.isMount ?? false);
}
