import type { EtcdSettings } from '../variables.ts';

/** Names of what a recovery makes beside a member's data. */
export class RecoverPlaces {
  readonly #settings: EtcdSettings;

  constructor(settings: EtcdSettings) {
    this.#settings = settings;
  }

  /** The data, and a log directory of its own where there is one. */
  get all(): string[] {
    const { dataDir, walDir } = this.#settings;
    return walDir === undefined || walDir.startsWith(`${dataDir}/`) ? [dataDir] : [dataDir, walDir];
  }

  /** Says that these data are the beginning of the new cluster, since when, and whether that has formed: until all have joined. */
  get mark(): string {
    return `${this.#settings.dataDir}.recovering`;
  }

  /** A copy of what was there is kept: beside it, or within where it is a mount point. */
  kept(path: string, stamp: string, isMount: boolean): string {
    return isMount ? `${path}/aside-${stamp}` : `${path}.bak-${stamp}`;
  }
}
