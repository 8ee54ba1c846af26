/**
 * The clock that waits are held to: what passes while this process stands still itself, since the machine does, is not
 * in it.
 */
export class OwnClock {
  static readonly #every = 50;
  #stoodMs = 0;
  #last = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.#note(), OwnClock.#every);
    this.#timer.unref();
  }

  /** Milliseconds, from any moment on. */
  now(): number {
    this.#note();
    return performance.now() - this.#stoodMs;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #note(): void {
    const now = performance.now();
    // What comes a little late is how timers are.
    const lateMs = now - this.#last - OwnClock.#every;
    if (lateMs > OwnClock.#every) this.#stoodMs += lateMs;
    this.#last = now;
  }
}
