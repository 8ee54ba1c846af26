import { diffText } from './diff-text.ts';
import { patient, type Screen, type ScreenOptions } from './screen.ts';
import { coloured, formatDuration, plain, recap, STATUS_STYLE } from './words.ts';

/** Plain lines, one for each task and host: for pipes, logs and CI. */
export function linesScreen({ out, colour, diff, verbosity }: ScreenOptions): Screen {
  const paint = colour ? coloured : plain;
  const lines = patient(out);
  const print = (text: string) => void lines.write(`${text}\n`);
  return {
    listener(event) {
      switch (event.type) {
        case 'run-start':
          print(`${paint('bold', event.playbook)} on ${event.hosts.join(', ')}${event.check ? ' (check mode)' : ''}`);
          break;
        case 'play-start':
          print(`\n${paint('bold', event.play)}`);
          break;
        case 'task-end': {
          const status = paint(STATUS_STYLE[event.status], `${event.status}:`);
          const time = verbosity > 0 ? ` ${formatDuration(event.durationMs)}` : '';
          print(`  ${status} [${event.host}] ${event.task}${event.summary ? ` (${event.summary})` : ''}${time}`);
          if (diff) for (const one of event.diffs) print(diffText(one, paint));
          break;
        }
        case 'message':
          print(event.level === 'warning' ? `${paint('yellow', 'WARNING')} ${event.text}` : event.text);
          break;
        case 'run-end':
          print(`\n${recap(event, paint)}`);
          break;
      }
    },
    done: async () => undefined,
  };
}
