import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { quote } from '../../src/connection/quote.ts';
import { ensurePackages } from '../lab/packages.ts';
import { PLAY } from './play.ts';

const run = promisify(execFile);

export interface WindowOptions {
  columns: number;
  rows?: number;
  cwd: string;
  env?: Readonly<Record<string, string>>;
}

let opened = 0;

/** A window of a real terminal emulator (tmux), in which a user types and looks. */
export class TerminalWindow {
  readonly #socket: string;

  private constructor(socket: string) {
    this.#socket = socket;
  }

  /** Opens a window with a command line in it; behind its end its exit status is printed as `status N`. */
  static async open(line: string, { columns, rows = 24, cwd, env = {} }: WindowOptions): Promise<TerminalWindow> {
    await ensurePackages(['tmux']);
    const window = new TerminalWindow(`etcd-play-${process.pid}-${++opened}`);
    const { NO_COLOR: _, CI: __, ...own } = process.env;
    const script = `${line}\nprintf 'status %s\\n' "$?"; exec sleep 600`;
    const size = ['-x', String(columns), '-y', String(rows)];
    const words = [
      '-L',
      window.#socket,
      '-f',
      '/dev/null',
      'new-session',
      '-d',
      ...size,
      '-c',
      cwd,
      'bash',
      '-c',
      script,
    ];
    await run('tmux', words, { env: { ...own, LC_ALL: 'C.UTF-8', ...env } });
    return window;
  }

  /** The same with `play` and its words. */
  static play(words: readonly string[], options: WindowOptions): Promise<TerminalWindow> {
    return TerminalWindow.open([process.execPath, PLAY, ...words].map(quote).join(' '), options);
  }

  async #tmux(...words: string[]): Promise<string> {
    return (await run('tmux', ['-L', this.#socket, ...words], { maxBuffer: 1 << 24 })).stdout;
  }

  /** What one sees: the lines of the window, without the empty ones at its end. */
  async seen(): Promise<string[]> {
    return lines(await this.#tmux('capture-pane', '-p'));
  }

  /** What one sees, and all that went out at the top. `colours`: with their escape sequences. */
  async all({ colours = false } = {}): Promise<string[]> {
    return lines(await this.#tmux('capture-pane', '-p', '-S', '-', ...(colours ? ['-e'] : [])));
  }

  /** Waits until what is seen fits. @throws Error with what is seen, when it does not in time. */
  async until(pattern: RegExp, timeoutMs = 30_000): Promise<string[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const seen = await this.seen();
      if (pattern.test(seen.join('\n'))) return seen;
      if (performance.now() > deadline) throw new Error(`${pattern} was not seen, but:\n${seen.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** The exit status of its command, once it has ended. */
  async status(timeoutMs?: number): Promise<number> {
    const seen = await this.until(/^status \d+$/m, timeoutMs);
    return Number(/^status (\d+)$/m.exec(seen.join('\n'))![1]);
  }

  /** Types keys by their names in tmux: `C-c`, `Enter`, `Tab`. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', '--', text);
  }

  /** Back when the terminal has the size: tmux waits a while before it tells the programs in it. */
  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux('resize-window', '-x', String(columns), '-y', String(rows));
    const terminal = (await this.#tmux('display-message', '-p', '#{pane_tty}')).trim();
    for (;;) {
      const { stdout } = await run('stty', ['-F', terminal, 'size']);
      if (stdout.trim() === `${rows} ${columns}`) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async cursorIsSeen(): Promise<boolean> {
    return (await this.#tmux('display-message', '-p', '#{cursor_flag}')).trim() === '1';
  }

  async close(): Promise<void> {
    await this.#tmux('kill-server').catch(() => undefined);
  }
}

function lines(text: string): string[] {
  return text.trimEnd().split('\n');
}
