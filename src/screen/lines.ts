import { eventText } from './event-text.ts';
import { patient, type Screen, type ScreenOptions } from './screen.ts';
import { coloured, plain } from './words.ts';

/** Plain lines, one for each task and host: for pipes, logs and CI. */
export function linesScreen({ out, colour, diff, verbosity }: ScreenOptions): Screen {
  const paint = colour ? coloured : plain;
  const lines = patient(out);
  return {
    listener(event) {
      const text = eventText(event, { paint, diff, verbosity, board: false });
      if (text !== undefined) lines.write(`${text}\n`);
    },
    done: async () => undefined,
  };
}
