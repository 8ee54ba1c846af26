import { type ErrorPlace, PlayError, UnreachableError } from '../errors.ts';
import type { ScriptResult } from './connection.ts';

/** The host was reached, but the log-in or the step to root was refused. */
export class AuthenticationError extends UnreachableError {
  override readonly name = 'AuthenticationError';
}

/** sshd closed the connection before a word was said: too many log-ins at a time. It may be tried again. */
export class TurnedAwayError extends UnreachableError {
  override readonly name = 'TurnedAwayError';
}

/** The host's key is unknown, has changed or is revoked: nothing was sent to it. */
export class HostKeyError extends UnreachableError {
  override readonly name = 'HostKeyError';
}

/** sudo did not give us root. */
export class BecomeError extends PlayError {
  override readonly name = 'BecomeError';
}

/** A script took longer than it may; the host was told to end it. */
export class RemoteTimeoutError extends PlayError {
  override readonly name = 'RemoteTimeoutError';
}

/** sshd or the far end would not open a stream to an address. */
export class TunnelError extends PlayError {
  override readonly name = 'TunnelError';
  /** sshd allows no tunnels at all, whatever is at the other end. */
  readonly forbidden: boolean;

  constructor(message: string, place: ErrorPlace & { forbidden: boolean }) {
    super(message, place);
    this.forbidden = place.forbidden;
  }
}

/** A command on a host ended with a status that the task does not accept. */
export class RemoteCommandError extends PlayError {
  override readonly name = 'RemoteCommandError';
  readonly result: ScriptResult;

  constructor(what: string, result: ScriptResult, place: ErrorPlace = {}) {
    const words = sayingLines(result.stderr || result.stdout).slice(-5);
    const [only] = words.length === 1 ? words : [];
    const details = only === undefined ? words : [];
    super(`${what} failed with exit status ${result.code}${only ? `: ${only}` : ''}`, { details, ...place });
    this.result = result;
  }
}

/** The last `count` lines that say something, joined for a one-paragraph message. */
export function lastLines(text: string, count: number): string {
  return sayingLines(text).slice(-count).join(' | ');
}

function sayingLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
