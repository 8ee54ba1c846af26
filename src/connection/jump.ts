import { InputError } from '../errors.ts';
import type { SshOptions } from './ssh-arguments.ts';

/** One jump host as ProxyJump names it. */
export interface Jump {
  address: string;
  user: string | undefined;
  port: number | undefined;
}

/** The jump hosts of an option list, the first to be reached first. */
export function jumpsIn(options: SshOptions): string[] {
  const value = options.get('proxyjump')?.[0];
  return value === undefined || value === 'none' ? [] : value.split(',').map((one) => one.trim());
}

/** `[user@]host[:port]` or `ssh://[user@]host[:port]`, IPv6 addresses in brackets. @throws InputError. */
export function parseJump(spec: string, host: string): Jump {
  const parts = /^(?:ssh:\/\/)?(?:(.+)@)?(?:\[([0-9a-f:.%\w]+)\]|([^@:[\]/\s]+))(?::(\d+))?\/?$/i.exec(spec);
  const [, user, bracketed, plain, port] = parts ?? [];
  const address = bracketed ?? plain;
  const number = port === undefined ? undefined : Number(port);
  // A name that begins with a dash would be taken for an option by ssh.
  if (address && !address.startsWith('-') && (number === undefined || (number > 0 && number < 65536))) {
    return { address, user, port: number };
  }
  throw new InputError(`${spec} is not a jump host`, { host, next: 'Say [user@]host[:port], several with commas.' });
}

/** The name of a jump host in messages, and the one under which connections to it are shared. */
export function jumpName({ address, user, port }: Jump): string {
  const bare = address.includes(':') ? `[${address}]` : address;
  return `${user ? `${user}@` : ''}${bare}${port ? `:${port}` : ''}`;
}
