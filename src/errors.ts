import { type CodePlace, codeLine, faultWords, userPlaces } from './fault.ts';

/** How a run ends, as the shell sees it. */
export const ExitCode = {
  done: 0,
  /** Usage or input: nothing was touched. */
  input: 1,
  /** A task failed on a host, or the operation was refused. */
  failed: 2,
  /** A host could not be reached (or was lost). */
  unreachable: 4,
  interrupted: 130,
} as const;

export interface ErrorPlace {
  /** Inventory name of the host. */
  host?: string;
  /** Name of the task as shown on the screen. */
  task?: string;
  /** The file and line that the error is about. */
  file?: string;
  line?: number;
  /** That line, where it is code. */
  code?: string | undefined;
  /** Lines that belong to it: the last words of a command. */
  details?: readonly string[];
  /** What the person who reads this should do next: a sentence. */
  next?: string;
  cause?: unknown;
}

/**
 * An error meant for the person who runs `play`: what failed, where, why, and what to do next.
 * `message` is one sentence without host, task or hint; {@link describeError} puts the whole together.
 */
export class PlayError extends Error {
  override readonly name: string = 'PlayError';
  readonly exitCode: number = ExitCode.failed;
  host: string | undefined;
  task: string | undefined;
  file: string | undefined;
  line: number | undefined;
  code: string | undefined;
  readonly details: readonly string[];
  readonly next: string | undefined;

  constructor(message: string, place: ErrorPlace = {}) {
    super(message, place.cause === undefined ? undefined : { cause: place.cause });
    this.host = place.host;
    this.task = place.task;
    this.file = place.file;
    this.line = place.line;
    this.code = place.code;
    this.details = place.details ?? [];
    this.next = place.next;
  }
}

/** Raised for command-line arguments, inventories, variables and local files, before any host is touched. */
export class InputError extends PlayError {
  override readonly name: string = 'InputError';
  override readonly exitCode = ExitCode.input;
}

/** Raised when a host cannot be reached, refuses the log-in, or is lost on the way. */
export class UnreachableError extends PlayError {
  override readonly name: string = 'UnreachableError';
  override readonly exitCode = ExitCode.unreachable;
}

/** Several errors found in one look, shown together. The exit code is the gravest of them. */
export class ManyErrors extends PlayError {
  override readonly name = 'ManyErrors';
  override readonly exitCode: number;
  readonly errors: readonly PlayError[];

  constructor(message: string, errors: readonly PlayError[]) {
    super(message);
    this.errors = errors;
    this.exitCode = Math.max(ExitCode.input, ...errors.map((e) => e.exitCode));
  }
}

/** Anything thrown, as an error that can be shown; what is no {@link PlayError} is a fault in the code and says where. */
export function asPlayError(error: unknown): PlayError {
  if (error instanceof PlayError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  const [place, ...callers] = error instanceof Error ? userPlaces(cause.stack ?? '') : [];
  if (place) {
    const details = callers.slice(0, 3).map(({ file, line }) => `from ${file}:${line}`);
    const next = cause.name === 'Error' ? {} : { next: 'This is a fault of the playbook: put it right there.' };
    return new PlayError(faultWords(cause), { ...place, code: codeLine(place), details, cause, ...next });
  }
  const next = 'This is a fault of the playbook.';
  if (!(error instanceof Error)) return new PlayError(`'${cause.message}' was thrown`, { cause, next });
  const frames = /^\s+at .*$/gm;
  const details = (cause.stack?.match(frames) ?? []).map((frame) => frame.trim());
  return new PlayError(`unexpected: ${cause.name}: ${cause.message}`, { cause, details, next });
}

/**
 * The same error, with the user's own line that it came from; one that has a place already keeps it.
 * @param from made on that line, where the error itself was not.
 */
export function placed(error: unknown, from?: Error): PlayError {
  const shown = asPlayError(error);
  const { stack = '' } = from ?? shown;
  const [place]: (CodePlace | undefined)[] = shown.file === undefined ? userPlaces(stack) : [];
  return place ? Object.assign(shown, place, { code: codeLine(place) }) : shown;
}

/** The whole of an error in plain lines, most important first: `host: message`, where, what to do next. */
export function describeError(error: unknown): string {
  if (error instanceof ManyErrors) {
    const head = `${placeText(error)}${error.message}`;
    return [head, ...error.errors.map((e) => indent(describeError(e), '  '))].join('\n');
  }
  if (!(error instanceof PlayError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const where = error.file ? `${error.file}${error.line ? `:${error.line}` : ''}: ` : '';
  const { message, line, code, details, next } = error;
  return [
    `${placeText(error)}${where}${message}`,
    ...(code === undefined ? [] : [`  ${line} | ${code}`]),
    ...details.map((detail) => `    ${detail}`),
    ...(next === undefined ? [] : [`  → ${next}`]),
  ].join('\n');
}

function placeText({ host, task }: PlayError): string {
  return `${host ? `${host}: ` : ''}${task ? `[${task}] ` : ''}`;
}

function indent(text: string, by: string): string {
  return text
    .split('\n')
    .map((line) => by + line)
    .join('\n');
}
