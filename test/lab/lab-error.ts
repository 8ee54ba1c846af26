/** An error of the lab itself, never of the code under test: what failed, and what to do next. */
export class LabError extends Error {
  override readonly name = 'LabError';

  constructor(message: string, options: { next?: string; cause?: unknown } = {}) {
    super(
      options.next ? `${message}\n  → ${options.next}` : message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
  }
}
