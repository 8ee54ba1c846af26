import type { RunEvent } from '../runner/events.ts';
import { formatDuration, type Paint } from './words.ts';

/** More of an output is of no use on a screen. */
const MOST_CHARACTERS = 8_000;

/** A script that was run on a host: -vv says that, and -vvv shows it with what it said. */
export function scriptText(event: Extract<RunEvent, { type: 'script' }>, paint: Paint): string {
  const { host, number, code, sentBytes, durationMs } = event;
  const sent = sentBytes > 0 ? `, ${sentBytes} bytes sent` : '';
  const end = code === undefined ? 'no answer' : `exit ${code}`;
  const head = `  [${host}] script ${number}: ${end} after ${formatDuration(durationMs)}${sent}`;
  const blocks = [
    ['| ', event.script],
    ['> ', event.stdout],
    ['! ', event.stderr],
  ].flatMap(([sign = '', text]) => (text?.trim() ? [indented(text, `    ${sign}`)] : []));
  return [head, ...blocks].map((text) => paint('dim', text)).join('\n');
}

function indented(text: string, by: string): string {
  const over = text.length - MOST_CHARACTERS;
  const shown = over > 0 ? `${text.slice(0, MOST_CHARACTERS)}\n… and ${over} characters more` : text;
  return shown
    .replace(/\n+$/, '')
    .split('\n')
    .map((line) => by + line)
    .join('\n');
}
