import { type DataPart, dataParts, foldersOf } from '../data-parts.ts';
import type { EtcdSettings } from '../variables.ts';

/** Names of what a recovery makes with a member's data. */
export class RecoverPlaces {
  readonly parts: readonly DataPart[];
  readonly #settings: EtcdSettings;

  /** @param isMount the data directory stays where it is, and all is made within. */
  constructor(settings: EtcdSettings, isMount: boolean) {
    this.#settings = settings;
    this.parts = dataParts(settings, isMount);
  }

  get mark(): string {
    return recoveringMark(this.#settings);
  }

  /** Where a copy of what was there is kept. */
  kept(stamp: string): string[] {
    return foldersOf(this.parts, `bak-${stamp}`);
  }
}

/** Says that these data are the beginning of the new cluster, since when, and whether that has formed: until all have joined. */
export function recoveringMark({ dataDir }: EtcdSettings): string {
  return `${dataDir}.recovering`;
}
