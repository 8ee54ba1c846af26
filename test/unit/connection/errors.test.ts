import { describe, expect, it } from 'vitest';
import {
  AuthenticationError,
  BecomeError,
  HostKeyError,
  lastLines,
  RemoteCommandError,
  RemoteTimeoutError,
  TunnelError,
} from '../../../src/connection/errors.ts';
import { describeError, ExitCode, UnreachableError } from '../../../src/errors.ts';

const result = (stderr: string, stdout = '') => ({ code: 3, stdout, stderr, durationMs: 1 });

describe('the error of a command on a host', () => {
  it.each([
    ['its last words on standard error', result('a\n b\n', 'out'), 'x failed with exit status 3\n    a\n    b'],
    ['its only line', result('a\n', 'out'), 'x failed with exit status 3: a'],
    ['its output where standard error is empty', result('', 'out\n'), 'x failed with exit status 3: out'],
    ['its status alone where it said nothing', result('\n \n'), 'x failed with exit status 3'],
    [
      'five lines at most',
      result('1\n2\n3\n4\n5\n6'),
      'x failed with exit status 3\n    2\n    3\n    4\n    5\n    6',
    ],
  ])('gives %s', (_, given, text) => {
    expect(describeError(new RemoteCommandError('x', given))).toBe(text);
  });

  it('keeps the whole of what was said', () => {
    expect(new RemoteCommandError('x', result('a\nb')).result.stderr).toBe('a\nb');
  });
});

describe('the exit code of a run', () => {
  it.each([
    [AuthenticationError, ExitCode.unreachable],
    [HostKeyError, ExitCode.unreachable],
    [UnreachableError, ExitCode.unreachable],
    [BecomeError, ExitCode.failed],
    [RemoteTimeoutError, ExitCode.failed],
  ])('after %o tells whether the host was reached', (kind, code) => {
    expect(new kind('x').exitCode).toBe(code);
    expect(new kind('x').name).toBe(kind.name);
  });
});

describe('the error of a tunnel', () => {
  it.each([true, false])('keeps apart what sshd forbids and what did not answer: %s', (forbidden) => {
    expect(new TunnelError('x', { forbidden })).toMatchObject({ forbidden, exitCode: ExitCode.failed });
  });
});

describe('the last lines of a text', () => {
  it('are those that say something', () => {
    expect(lastLines(' a \n\n\tb\r\n \n', 2)).toBe('a | b');
    expect(lastLines('', 3)).toBe('');
  });
});
