import { randomBytes } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { PlayError, UnreachableError } from '../errors.ts';
import { Collector } from './collector.ts';
import {
  DEFAULT_SCRIPT_TIMEOUT_MS,
  type LockAnswer,
  type LockWish,
  type RunOptions,
  type ScriptInput,
  type ScriptOutput,
  type ScriptResult,
} from './connection.ts';
import { RemoteTimeoutError } from './errors.ts';
import { quote } from './quote.ts';

export interface ShellStreams {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
}

/** How long the reason of an end may take to come after the end itself. */
const REASON_MS = 2_000;

/**
 * A long-lived `/bin/sh` that runs framed scripts: each is handed over as one quoted word to `eval` in a subshell, so
 * that no content of a script can break the framing, stand in an argument list or change the shell itself. The end of
 * both streams is marked by a random word; an input is asked for only when the shell has nothing else to read, since
 * `sh` reads ahead on a pipe.
 *
 * The script runs in the background, and the shell waits for a line from us. When our end is closed instead (a script
 * took too long, `play` was killed, the link is gone), that ends the shell's process group: sshd itself lets what it
 * runs go on without its client.
 */
export class FramedShell {
  readonly #streams: ShellStreams;
  readonly #mark = `play-${randomBytes(12).toString('hex')}`;
  readonly #host: string;
  readonly #out: Collector;
  readonly #err: Collector;
  #frame = 0;
  #holds = false;
  #tail: Promise<unknown> = Promise.resolve();
  #lost: Error | undefined;
  #onLost: ((error: Error) => void) | undefined;

  constructor(host: string, streams: ShellStreams) {
    this.#host = host;
    this.#streams = streams;
    this.#out = new Collector(streams.stdout);
    this.#err = new Collector(streams.stderr);
    streams.stdin.on('error', (error) => this.#failSoon(error));
    this.#write(`export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; umask 022; cd /\n`);
  }

  get frames(): number {
    return this.#frame;
  }

  /** What the shell has said on standard error outside of any frame, for instance sudo's words. */
  get pendingStderr(): string {
    return this.#err.peek();
  }

  /** Why no script can be run any more. */
  get lost(): Error | undefined {
    return this.#lost;
  }

  /** Ends every waiting and future script with this error: the link is gone. */
  fail(cause: Error): void {
    if (this.#lost) return;
    this.#lost = cause;
    this.#onLost?.(cause);
  }

  run(script: string, options: RunOptions = {}): Promise<ScriptResult> {
    const result = this.#tail.then(() => this.#run(script, options));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /**
   * Holds a lock file for as long as this shell lives: its descriptor 9, which no script inherits. The file says who
   * holds it, and is written to at each script, so that its age tells when the holder was last heard of.
   */
  hold({ file, note }: LockWish): Promise<LockAnswer> {
    const result = this.#tail.then(async () => {
      const { stdout } = await this.#run('', {}, lockText(quote(file), note));
      if (stdout.startsWith('held')) {
        this.#holds = true;
        return { held: true } as const;
      }
      const [, seconds, busy, ...rest] = stdout.split('\n');
      return { held: false, ageSeconds: Number(seconds), busy: busy !== '', note: rest[0] ?? '' } as const;
    });
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async #run(
    script: string,
    { timeoutMs = DEFAULT_SCRIPT_TIMEOUT_MS, input, output }: RunOptions,
    atTop?: string,
  ): Promise<ScriptResult> {
    if (this.#lost) throw this.#lost;
    const frame = ++this.#frame;
    const mark = `${this.#mark}-${frame}`;
    const started = performance.now();
    let timer: NodeJS.Timeout | undefined;
    const lost = new Promise<never>((_, reject) => {
      this.#onLost = reject;
      // A timer knows no infinity: it would be over at once.
      if (timeoutMs === Number.POSITIVE_INFINITY) return;
      timer = setTimeout(() => {
        const error = new RemoteTimeoutError(`a script took longer than ${Math.round(timeoutMs / 1000)} s`, {
          host: this.#host,
          next: 'Look at the host (load, disk, stuck processes) and run again.',
        });
        this.fail(error);
        reject(error);
      }, timeoutMs);
    });
    lost.catch(() => undefined);
    // What moves is not stuck, however long it takes.
    const moved = () => timer?.refresh();
    try {
      const beat = this.#holds ? '{ printf . >&9; } 2>/dev/null; ' : '';
      this.#write(atTop === undefined ? beat + frameText(script, mark, input) : topText(atTop, mark));
      if (input) await Promise.race([this.#out.until(`\n${mark}-ready\n`), lost]);
      const said = this.#said(`\n${mark} `, output, moved);
      said.catch(() => undefined);
      if (input) await Promise.race([this.#pour(input, moved), lost]);
      const [out, err] = await Promise.race([Promise.all([said, this.#err.until(`\n${mark}\n`)]), lost]);
      const status = await Promise.race([this.#out.until('\n'), lost]);
      // The answer is whole, whether or not the shell is still there to be let go on.
      if (this.#streams.stdin.writable) this.#streams.stdin.write('\n');
      return {
        code: Number(status.toString()),
        stdout: out,
        stderr: err.toString(),
        durationMs: performance.now() - started,
      };
    } catch (error) {
      // Nobody takes the rest any more; what held it back would keep the far end from ending.
      if (output) this.#out.discard();
      throw error;
    } finally {
      clearTimeout(timer);
      timer = undefined;
      this.#onLost = undefined;
    }
  }

  /** Standard output up to the mark: gathered, or given away as it comes. */
  async #said(mark: string, output: ScriptOutput | undefined, moved: () => void): Promise<string> {
    if (!output) return (await this.#out.until(mark)).toString();
    const write = (piece: Buffer) => {
      moved();
      return output.write(piece)?.then(moved);
    };
    try {
      await this.#out.pass(mark, { write });
      return '';
    } catch (cause) {
      const error =
        cause instanceof PlayError
          ? cause
          : new PlayError(`what came cannot be kept: ${(cause as Error).message}`, {
              host: this.#host,
              cause,
              next: 'Look at the disk of this machine, then run again.',
            });
      // The script goes on giving: this shell cannot be used any more.
      this.fail(error);
      throw error;
    }
  }

  #write(text: string): void {
    if (this.#streams.stdin.writable) this.#streams.stdin.write(text);
    else this.#failSoon();
  }

  /** The far end takes nothing any more. Why is known a moment later, when its exit status is here: that comes first. */
  #failSoon(cause?: Error): void {
    const error = new UnreachableError('the connection is closed', { host: this.#host, ...(cause ? { cause } : {}) });
    setTimeout(() => this.fail(error), REASON_MS).unref();
  }

  /** Until more may be written, or never will be. */
  #drained(): Promise<void> {
    const { stdin } = this.#streams;
    return new Promise((resolve) => {
      const done = () => {
        stdin.off('drain', done).off('close', done);
        resolve();
      };
      stdin.on('drain', done).on('close', done);
    });
  }

  async *#chunksOf(input: ScriptInput): AsyncGenerator<Buffer> {
    try {
      yield* input.open();
    } catch (cause) {
      if (cause instanceof PlayError) throw cause;
      throw new PlayError(`what was to be sent cannot be read: ${(cause as Error).message}`, {
        host: this.#host,
        cause,
        next: 'Look at that file on this machine, then run again.',
      });
    }
  }

  async #pour(input: ScriptInput, moved: () => void): Promise<void> {
    let done = 0;
    for await (const chunk of this.#chunksOf(input)) {
      const rest = input.sizeBytes - done;
      const bytes = chunk.length > rest ? chunk.subarray(0, rest) : chunk;
      done += bytes.length;
      if (!this.#streams.stdin.write(bytes)) await this.#drained();
      if (this.#lost) return;
      moved();
      input.onProgress?.(done);
    }
    if (done < input.sizeBytes) {
      // The far side waits for bytes that will never come: this shell cannot be used any more.
      const error = new UnreachableError(`the source ended after ${done} of ${input.sizeBytes} bytes`, {
        host: this.#host,
        next: 'The file changed while it was sent: run again.',
      });
      this.fail(error);
      throw error;
    }
  }
}

/**
 * What is written to the shell for one script. All of it stands in braces, so that the shell has read the whole before
 * it runs the first word: what it had not read by then, the script would get as its input.
 * Who waits for the script holds the lock, too, and waits on where a hangup has ended the shell: the host is held until the script has
 * really ended and has tidied up.
 */
function frameText(script: string, mark: string, input: ScriptInput | undefined): string {
  const ending = `printf '\\n%s %d\\n' ${mark} "$r"; printf '\\n%s\\n' ${mark} >&2`;
  const body = input
    ? // Exactly `sizeBytes` of the shell's own input, in bigger pieces than `head` takes; what the script leaves is swallowed.
      `printf '\\n%s\\n' ${mark}-ready
dd bs=64k iflag=fullblock,count_bytes count=${input.sizeBytes} status=none 9>&- | { ( trap 'exit 129' HUP; ( eval ${quote(script)}\n) 9>&-; r=$?; cat >/dev/null; ${ending} ) <&4 4<&- & } 4<&0`
    : `( trap 'exit 129' HUP; ( eval ${quote(script)}\n) </dev/null 9>&-; r=$?; ${ending} ) &`;
  return `{ ${body}\nread -r _ || kill -s HUP 0; wait\n}\n`;
}

/** Words for the shell itself, in its own process; their output ends as a script's does. */
function topText(words: string, mark: string): string {
  return `{ ${words}; } 2>/dev/null; printf '\\n%s %d\\n' ${mark} "$?"; printf '\\n%s\\n' ${mark} >&2; read -r _\n`;
}

/**
 * Prints `held`; or `busy`, then the seconds since the holder was last heard of, what its shell runs, and its note.
 * A host without `flock`, or where the file cannot be made, goes without a lock: a redirection that fails would end sh.
 */
function lockText(file: string, note: string): string {
  const take = `printf '%s\\n%s\\n' ${quote(note)} "$$" >${file}; echo held`;
  const age = `echo "$(( $(date +%s) - $(stat -c %Y ${file}) ))"`;
  const work = `echo "$( { read -r n; read -r p; cat "/proc/$p/task/$p/children"; } <${file} )"`;
  const tell = `echo busy; ${age}; ${work}; head -n 1 ${file}; exec 9>&-`;
  const able = `command -v flock >/dev/null && ( : >>${file} )`;
  return `if ${able}; then exec 9>>${file}; if flock -n 9; then ${take}; else ${tell}; fi; else echo held; fi`;
}
