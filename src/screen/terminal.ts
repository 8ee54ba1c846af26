import type { RunEvent } from '../runner/events.ts';
import { eventText } from './event-text.ts';
import { LiveArea, type TerminalOut } from './live-area.ts';
import { PlayBoard } from './play-board.ts';
import { patient, type Screen, type ScreenOptions } from './screen.ts';
import { coloured, MARKS, plain } from './words.ts';

/** How often the board is drawn: the eye wants no more, and the work is elsewhere. */
const REFRESH_MS = 100;
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** A terminal: each play a small board of rows at its foot; messages, diffs and the recap go above it, for good. */
export function terminalScreen({ out, colour, diff, verbosity }: ScreenOptions): Screen {
  const paint = colour ? coloured : plain;
  const area = new LiveArea(patient(out) as TerminalOut);
  let board: PlayBoard | undefined;
  let timer: NodeJS.Timeout | undefined;
  let frame = 0;
  // One less: a sign in the last column makes some terminals break the line.
  const columns = () => Math.max(20, area.columns - 1);
  const drawNow = () => {
    if (!board) return;
    for (const line of board.takeSettled(columns())) area.print(line);
    area.draw(board.lines(columns(), area.room, SPINNER[frame % SPINNER.length]));
  };
  const endBoard = () => {
    clearInterval(timer);
    if (board) area.release(board.lines(columns(), Number.POSITIVE_INFINITY, MARKS.idle));
    board = undefined;
    process.off('exit', endBoard);
  };
  const onEvent = (event: RunEvent) => {
    board?.note(event);
    const text = eventText(event, { paint, diff, verbosity, columns: area.columns, board: true });
    if (event.type === 'run-end') endBoard();
    if (text !== undefined) area.print(text);
    if (event.type === 'play-end') endBoard();
    if (event.type !== 'play-start') return;
    board = new PlayBoard(event.hosts, event.control, paint);
    drawNow();
    // However the process ends, the cursor is seen again.
    process.on('exit', endBoard);
    timer = setInterval(() => {
      frame++;
      // After what else is waiting to be heard, such as that the window has another size by now.
      setImmediate(drawNow);
    }, REFRESH_MS);
  };
  return { listener: onEvent, done: async () => endBoard() };
}
