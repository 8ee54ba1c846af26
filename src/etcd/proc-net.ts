const LISTEN = '0A';

/** The listening sockets in `/proc/net/tcp` and `tcp6` (proc(5)): port, and the inode that tells whose they are. */
export function parseListeners(text: string): { port: number; inode: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state !== LISTEN || !local || !inode) return [];
    return [{ port: parseInt(local.slice(local.lastIndexOf(':') + 1), 16), inode }];
  });
}

/** The addresses of a host itself, from `/proc/net/fib_trie` and `/proc/net/if_inet6`; IPv6 in full lower-case groups. */
export function parseLocalAddresses(fib: string, if6: string): string[] {
  const found = new Set<string>();
  let last = '';
  for (const line of fib.split('\n')) {
    const address = /\|-- (\d+\.\d+\.\d+\.\d+)/.exec(line)?.[1];
    if (address) last = address;
    else if (/\/32 host LOCAL/.test(line)) found.add(last);
  }
  for (const line of if6.split('\n')) {
    const digits = /^([0-9a-f]{32})\s/.exec(line)?.[1];
    if (digits) found.add(digits.match(/.{4}/g)!.join(':'));
  }
  return [...found];
}
