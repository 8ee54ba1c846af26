import type { Listener } from '../runner/events.ts';

/** Something that shows a run. `done` waits until all of it is on the screen. */
export interface Screen {
  listener: Listener;
  done(): Promise<void>;
}

export interface ScreenOptions {
  colour: boolean;
  diff: boolean;
  /** How often -v was given: from 1 on with the time of each task. */
  verbosity: number;
  out: NodeJS.WritableStream;
}

/** A stream whose reader may go away (`play … | head`): that must not end a run half-way. */
export function patient<T extends NodeJS.WritableStream>(out: T): T {
  out.on('error', () => undefined);
  return out;
}
