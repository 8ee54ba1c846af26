import { ManyErrors, PlayError } from '../errors.ts';
import type { RunEvent } from '../runner/events.ts';
import { conceal } from '../secret.ts';
import { patient, type Screen } from './screen.ts';
import { veiledError } from './veil.ts';

/** One JSON object for each event and line, and nothing else: for programs. Field `type` tells them apart. */
export function jsonScreen(out: NodeJS.WritableStream): Screen {
  const lines = patient(out);
  return {
    listener: (event) => void lines.write(`${eventLine(event)}\n`),
    done: async () => undefined,
  };
}

/** An event as one line of JSON, with the time. Maps become objects, errors their sentences. */
export function eventLine(event: RunEvent, now = new Date()): string {
  return JSON.stringify({ time: now.toISOString(), ...event }, (_, value: unknown) => {
    if (value instanceof Map) return Object.fromEntries(value);
    if (typeof value === 'bigint') return String(value);
    return value instanceof PlayError ? errorRecord(value) : value;
  });
}

/** An error that ended the command before there was a run, as one line of JSON. */
export function errorLine(error: PlayError, now = new Date()): string {
  return JSON.stringify({ time: now.toISOString(), type: 'error', error: errorRecord(veiledError(error, conceal)) });
}

function errorRecord(error: PlayError): Record<string, unknown> {
  const { name, message, details, host, task, file, line, code, next, exitCode } = error;
  const errors = error instanceof ManyErrors ? { errors: error.errors.map(errorRecord) } : {};
  const more = details.length > 0 ? { details } : {};
  return { name, message, ...more, host, task, file, line, code, next, exitCode, ...errors };
}
