import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expandTokens } from '../../../src/connection/dial.ts';
import { parseJump } from '../../../src/connection/jump.ts';
import { type ConnectionDefaults, connectionSettings, type LoginSettings } from '../../../src/connection/settings.ts';
import { splitArguments } from '../../../src/connection/ssh-arguments.ts';
import { parseAnswer } from '../../../src/connection/ssh-config.ts';
import { Secret } from '../../../src/secret.ts';

function settings(vars: Record<string, unknown>, defaults: Partial<ConnectionDefaults> = {}) {
  const given = Object.entries(vars).map(
    ([name, value]) => [name, { value, origin: { file: 'hosts.ini', line: 7 } }] as const,
  );
  return connectionSettings('web', new Map(given), { become: false, ...defaults });
}

const args = (text: string) => settings({ ansible_ssh_common_args: text });

/** The way to a host, the first hop first. */
function hops(login: LoginSettings): string[] {
  const before = login.way.by === 'jump' ? hops(login.way.through) : [];
  return [...before, `${login.user}@${login.address}:${login.port}`];
}

describe('the arguments for ssh', () => {
  it.each([
    ['-o Port=2222', { port: 2222 }],
    ['-oPort=2222 -p 23', { port: 2222 }],
    ['-o "User = jo"', { user: 'jo' }],
    ['-l jo -i ~/.ssh/other', { user: 'jo', keyFiles: [join(homedir(), '.ssh/other')] }],
    ['-i /a -i /b', { keyFiles: ['/a', '/b'] }],
    ['-o StrictHostKeyChecking=accept-new', { hostKeyChecking: 'accept-new' }],
    ['-o StrictHostKeyChecking=no', { hostKeyChecking: 'off' }],
    ['-o StrictHostKeyChecking=ask', { hostKeyChecking: 'strict' }],
    ['-o UserKnownHostsFile="/a /b" -o GlobalKnownHostsFile=none', { knownHostsFiles: ['/a', '/b'] }],
    ['-o ConnectTimeout=3 -o ServerAliveInterval=60', { connectTimeoutMs: 3_000, keepAliveMs: 4_000 }],
    ['-C -4 -o ControlMaster=auto -o ControlPersist=60s -S /x', {}],
    ['-o HostName=10.0.0.1 -o HostKeyAlias=w', { address: '10.0.0.1', hostKeyAlias: 'w' }],
    ["-o ProxyCommand='nc %h %p'", { way: { by: 'command', command: 'nc %h %p' } }],
    ['-o ProxyJump=none', { way: { by: 'tcp' } }],
    ['-o ProxyJump=none -o ProxyCommand=x', { way: { by: 'tcp' } }],
  ])('%s are understood', (text, expected) => {
    expect(args(text)).toMatchObject(expected);
  });

  it('are taken in the order of Ansible, where the first to name an option wins', () => {
    expect(settings({ ansible_ssh_extra_args: '-p 3', ansible_ssh_common_args: '-p 2' }).port).toBe(2);
    expect(settings({ ansible_ssh_common_args: '-p 2', ansible_ssh_args: '-p 1' }).port).toBe(1);
  });

  it.each(['-W x', '--what', 'word', '-o nonsense', '-o'])('%s are refused with file and line', (text) => {
    expect(() => args(text)).toThrow(expect.objectContaining({ name: 'InputError', file: 'hosts.ini', line: 7 }));
  });

  it.each([
    ['a  b', ['a', 'b']],
    [`-o 'x y' "z \\"w\\"" q\\ r`, ['-o', 'x y', 'z "w"', 'q r']],
    [`a"b c"d`, ['ab cd']],
  ])('%j are split as a shell would', (text, expected) => {
    expect(splitArguments(text)).toEqual(expected);
  });
});

describe('jump hosts', () => {
  it.each([
    ['jump', { address: 'jump' }],
    ['jo@jump:2222', { address: 'jump', user: 'jo', port: 2222 }],
    ['ssh://jo@jump:2222', { address: 'jump', user: 'jo', port: 2222 }],
    ['[fe80::1]:22', { address: 'fe80::1', port: 22 }],
    ['jo@corp@jump', { address: 'jump', user: 'jo@corp' }],
  ])('%s is understood', (spec, expected) => {
    expect(parseJump(spec, 'web')).toMatchObject(expected);
  });

  it.each(['', '-oProxyCommand=x', 'a b', 'jump:0', 'jump:70000', 'a:b:c'])('%j is refused', (spec) => {
    expect(() => parseJump(spec, 'web')).toThrow('is not a jump host');
  });

  it('stand one behind the other in the order in which they are named', () => {
    const { username } = { username: hops(args('-l me'))[0]!.split('@')[0]! };
    expect(username).toBe('me');
    expect(hops(args('-l me -J a@one,b@two:23'))).toEqual(['a@one:22', 'b@two:23', 'me@web:22']);
  });

  it('know the keys and known hosts of their host, but are as strict as ever', () => {
    const host = settings({
      ansible_ssh_private_key_file: '/key',
      ansible_ssh_common_args: '-J j -o StrictHostKeyChecking=no -o UserKnownHostsFile=/known',
    });
    const jump = host.way.by === 'jump' ? host.way.through : undefined;
    expect(jump?.keyFiles.at(-1)).toBe('/key');
    expect(jump?.knownHostsFiles).toContain('/known');
    expect(jump?.hostKeyChecking).toBe('strict');
  });

  it('of jump hosts come from the ssh configuration, and a circle of them is an error', () => {
    const jumps = new Map([
      ['a', parseAnswer('proxyjump b\nuser jo\n')],
      ['b', parseAnswer('port 2200\nuser al\n')],
    ]);
    const own = parseAnswer('proxyjump a\nhostname 10.0.0.1\nuser me\n');
    const from = (configured: typeof jumps) =>
      connectionSettings('web', new Map(), { become: false }, { own, jumps: configured });
    expect(hops(from(jumps))).toEqual(['al@b:2200', 'jo@a:22', 'me@10.0.0.1:22']);
    jumps.set('b', parseAnswer('proxyjump a\n'));
    expect(() => from(jumps)).toThrow('circle: a, b, a');
  });
});

describe('the command line', () => {
  it('gives what the inventory does not, and how host keys are met in any case', () => {
    const defaults = { user: 'jo', privateKey: '/key', password: new Secret('s'), hostKeyChecking: 'off' as const };
    const bare = settings({}, defaults);
    expect(bare).toMatchObject({ user: 'jo', keyFiles: ['/key'], keyFileNamed: true, hostKeyChecking: 'off' });
    expect(bare.password?.reveal()).toBe('s');
    const own = { ansible_user: 'me', ansible_ssh_private_key_file: '/own', ansible_password: 'p' };
    const said = settings({ ...own, ansible_ssh_common_args: '-o StrictHostKeyChecking=yes' }, defaults);
    expect(said).toMatchObject({ user: 'me', keyFiles: ['/own'], hostKeyChecking: 'off' });
    expect(said.password?.reveal()).toBe('p');
  });
});

it('a become method other than sudo is refused where root is needed', () => {
  expect(() => settings({ ansible_become: true, ansible_become_method: 'su' })).toThrow('su is not supported');
  expect(settings({ ansible_become: false, ansible_become_method: 'su' }).become).toBe(false);
});

describe('a proxy command', () => {
  it('is told host, port and user', () => {
    const login = settings({ ansible_host: 'fe80::1%eth0', ansible_user: 'jo@example.com' });
    expect(expandTokens('nc %h %p %r %% %n', login)).toBe('nc fe80::1%eth0 22 jo@example.com % fe80::1%eth0');
  });

  it.each(['$(touch x)', '`touch x`', 'a;b', 'a b', "a'b", 'a"b', 'a\nb', '-oProxyCommand=x', 'a|b', 'a\\', '{a,b}'])(
    'is not told %j, which its shell might run',
    (value) => {
      expect(() => expandTokens('nc %h', settings({ ansible_host: value }))).toThrow('cannot be given');
      expect(() => expandTokens('nc %r', settings({ ansible_user: value }))).toThrow('cannot be given');
    },
  );
});

describe('a password', () => {
  it('that was encrypted with the end of its line is taken without it', () => {
    const vars = { ansible_become: true, ansible_password: 'p\n', ansible_become_password: 'b\r\n' };
    const { password, becomePassword } = settings(vars);
    expect([password?.reveal(), becomePassword?.reveal()]).toEqual(['p', 'b']);
  });

  it.each(['b\ntouch x', 'b\rtouch x', 'b\0', 'b\n\n'])('for sudo is one line: %j is refused', (word) => {
    expect(() => settings({ ansible_become: true, ansible_become_password: word })).toThrow('more than one line');
  });
});
