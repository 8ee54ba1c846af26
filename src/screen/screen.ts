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
