import { Listr, type ListrTask } from 'listr2';
import type { RunEvent } from '../runner/events.ts';
import { diffText } from './diff-text.ts';
import { PlayBoard } from './play-board.ts';
import type { Screen, ScreenOptions } from './screen.ts';
import { coloured, plain, recap } from './words.ts';

/** Titles are set this often: listr2 measures the whole screen at each change. */
const REFRESH_MS = 100;

/** A terminal: each play a small board of rows, drawn by listr2; messages, diffs and the recap stand between boards. */
export function terminalScreen({ out, colour, diff }: ScreenOptions): Screen {
  const paint = colour ? coloured : plain;
  let board: PlayBoard | undefined;
  let shown: Promise<void> = Promise.resolve();
  const print = (text: string) => {
    shown = shown.then(() => void out.write(`${text}\n`));
  };
  const show = (current: PlayBoard) => {
    shown = shown.then(() => draw(current));
  };
  const onEvent = (event: RunEvent) => {
    board?.note(event);
    switch (event.type) {
      case 'run-start':
        print(`${paint('bold', event.playbook)} on ${event.hosts.length} hosts${event.check ? ' (check mode)' : ''}`);
        break;
      case 'play-start':
        board = new PlayBoard(event.hosts, event.control, paint);
        print(`\n${paint('bold', event.play)}`);
        show(board);
        break;
      case 'task-end':
        if (diff) for (const one of event.diffs) print(`${event.host}\n${diffText(one, paint)}`);
        break;
      case 'message':
        print(event.level === 'warning' ? `${paint('yellow', 'WARNING')} ${event.text}` : event.text);
        break;
      case 'run-end':
        print(`\n${recap(event, paint)}`);
        break;
    }
  };
  return { listener: onEvent, done: () => shown };
}

async function draw(board: PlayBoard): Promise<void> {
  const rows: ListrTask[] = board.rows.map((row) => ({
    title: row.title(),
    task: async (_, task) => {
      const timer = setInterval(() => {
        task.title = row.title();
      }, REFRESH_MS);
      try {
        await row.ended;
      } finally {
        clearInterval(timer);
        task.title = row.title();
      }
      if (row.failed) throw new Error(row.title());
      if (row.idle) task.skip(row.title());
    },
  }));
  const listr = new Listr(rows, {
    concurrent: true,
    exitOnError: false,
    registerSignalListeners: false,
    rendererOptions: { collapseErrors: true, showErrorMessage: false, collapseSkips: true, formatOutput: 'truncate' },
  });
  await listr.run().catch(() => undefined);
}
