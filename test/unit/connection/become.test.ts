import { execFileSync } from 'node:child_process';
import { duplexPair, PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { becomeFailure, passChallenge, shellCommand } from '../../../src/connection/become.ts';
import { BecomeError } from '../../../src/connection/errors.ts';
import { connectionSettings } from '../../../src/connection/settings.ts';
import { Secret } from '../../../src/secret.ts';

const origin = { file: 'hosts.ini', line: 1 };
function settings(vars: Record<string, string> = {}, become = true) {
  const all = new Map(Object.entries({ ansible_user: 'debian', ...vars }).map(([k, value]) => [k, { value, origin }]));
  return connectionSettings('web1', all as never, { become });
}

describe('the command that ends in a shell', () => {
  it('is a plain shell where nobody is to be become', () => {
    expect(shellCommand(settings({}, false))).toEqual({ command: 'exec /bin/sh', challenge: undefined });
  });

  it('asks sudo for no password where there is none to give', () => {
    const { command, challenge } = shellCommand(settings());
    expect(command).toContain('sudo -n -u root -- /bin/sh');
    expect(challenge).toBeUndefined();
  });

  it('never holds the password, and asks with words that cannot be guessed', () => {
    const given = settings({ ansible_become_password: 'hunter2' });
    const [one, two] = [shellCommand(given), shellCommand(given)];
    expect(one.command).not.toContain('hunter2');
    expect(one.command).toContain(`-S -p ${one.challenge?.prompt}`);
    expect(one.challenge?.prompt).not.toBe(two.challenge?.prompt);
  });

  it.each(["o'brien", 'a b', '$(id)'])('quotes the user %s', (user) => {
    const { command } = shellCommand(settings({ ansible_become_user: user }));
    // The outermost shell must see one word, and the inner one the name as it is.
    const words = execFileSync('/bin/sh', ['-c', `set -- ${command.replace(/^exec /, '')}; printf %s "$3"`]).toString();
    expect(execFileSync('/bin/sh', ['-nc', words]).toString()).toBe('');
    expect(words).toContain(user.includes("'") ? `'o'\\''brien'` : `'${user}'`);
  });

  it('runs no sudo where one is that user already', () => {
    const command = shellCommand(settings({ ansible_become_user: 'root' })).command;
    const said = execFileSync('/bin/sh', ['-c', command], {
      input: 'echo "$(id -un)"',
      env: { PATH: '/usr/bin:/bin' },
    });
    expect(said.toString()).toBe(`${execFileSync('id', ['-un'])}`);
  });
});

/** A channel to a host: what we write is what the host reads. */
function channel() {
  const [ours, theirs] = duplexPair();
  const stderr = new PassThrough();
  const written: string[] = [];
  theirs.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  return {
    ours: { stdin: ours, stdout: ours, stderr },
    say: (text: string) => theirs.write(text),
    stderr,
    written,
    theirs,
  };
}

const challenge = { prompt: 'ask-1:', ready: 'ready-1' };
const withPassword = settings({ ansible_become_password: 'hunter2' });
const soon = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("sudo's question", () => {
  it('is answered once, and the shell that comes then is taken', async () => {
    const { ours, say, stderr, written } = channel();
    const passed = passChallenge(withPassword, challenge, ours);
    expect(written).toEqual([]);
    stderr.write('ask-');
    await soon();
    expect(written).toEqual([]);
    stderr.write('1:');
    await soon();
    expect(written).toEqual(['hunter2\n']);
    say('rea');
    say('dy-1\n');
    await passed;
    expect(ours.stdout.listenerCount('data')).toBe(0);
    expect(stderr.listenerCount('data')).toBe(0);
  });

  it('may not come at all: nothing is written then, least of all the password', async () => {
    const { ours, say, written } = channel();
    const passed = passChallenge(withPassword, challenge, ours);
    say('ready-1\n');
    await passed;
    expect(written).toEqual([]);
  });

  it('that comes twice means a wrong password, which is not tried again', async () => {
    const { ours, stderr, written } = channel();
    const passed = passChallenge(withPassword, challenge, ours);
    stderr.write('ask-1:');
    await soon();
    stderr.write('Sorry, try again.\nask-1:');
    await expect(passed).rejects.toThrow('sudo refused the password of debian');
    expect(written).toEqual(['hunter2\n']);
  });

  it('that is followed by the end says why', async () => {
    const { ours, stderr, theirs } = channel();
    const passed = passChallenge(withPassword, challenge, ours);
    stderr.write('ask-1:');
    await soon();
    stderr.write('debian is not in the sudoers file.\n');
    await soon();
    theirs.destroy();
    ours.stdout.destroy();
    await expect(passed).rejects.toThrow('debian has no sudo rights on this host');
  });
});

describe('why one is not root', () => {
  it.each([
    ['sudo: a password is required', 'may not become root by sudo without a password', '-K'],
    ['sudo: no password was provided', 'may not become root by sudo without a password', '-K'],
    ['sudo: a terminal is required to read the password', 'may not become root by sudo without a password', '-K'],
    ['Sorry, try again.\nsudo: 1 incorrect password attempt', 'sudo refused the password of debian', 'not again'],
    ['debian is not in the sudoers file.', 'has no sudo rights', 'ansible_user'],
    ['Sorry, user debian may not run sudo on web1.', 'has no sudo rights', 'ansible_user'],
    ["Sorry, user debian is not allowed to execute '/bin/sh' as root on web1.", 'has no sudo rights', 'ansible_user'],
    ['/bin/sh: 1: exec: sudo: not found', 'sudo is not installed', 'log in as root'],
    ['sudo: sorry, you must have a tty to run sudo', 'asks for a terminal', 'requiretty'],
    ['something else', 'no shell as root could be opened: something else', 'ssh debian@web1 sudo -v'],
    ['', 'exit status 1', 'sudo -v'],
  ])('is told from %j', (stderr, message, next) => {
    const error = becomeFailure(settings(), stderr, 1);
    expect(error).toBeInstanceOf(BecomeError);
    expect(error.message).toContain(message);
    expect(error.next).toContain(next);
    expect(error.host).toBe('web1');
  });

  it('never tells the password', () => {
    const given = { ...settings(), becomePassword: new Secret('hunter2') };
    expect(JSON.stringify(becomeFailure(given, 'x', 1))).not.toContain('hunter2');
  });
});
