import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Who a process is, so that another one can tell whether it still lives. What the system does not tell is empty. */
export interface ProcessIdentity {
  host: string;
  boot: string;
  /** Containers of one machine have one boot, and each its own numbers of processes. */
  pidNamespace: string;
  pid: string;
  /** Clock ticks from boot to its start: numbers of processes come again. */
  start: string;
}

/** Of this process, or of another one that lives beside it. */
export function identityOf(pid: number = process.pid): ProcessIdentity {
  return {
    host: hostname()
      .replace(/[^A-Za-z0-9.-]/g, '_')
      .slice(0, 64),
    boot: readOr('/proc/sys/kernel/random/boot_id', '').trim().slice(0, 8),
    pidNamespace: pidNamespace(),
    pid: String(pid),
    start: startOf(String(pid)) ?? '',
  };
}

/** As a part of the name of a file: parts with `~` between them. */
export function identityText({ host, boot, pidNamespace, pid, start }: ProcessIdentity): string {
  return [host, boot, pidNamespace, pid, start].join('~');
}

/** Reads what {@link identityText} has written; what follows is left. */
export function identityIn(text: string): ProcessIdentity {
  const [host = '', boot = '', pidNamespace = '', pid = '', start = ''] = text.split('~');
  return { host, boot, pidNamespace, pid, start };
}

/** Whether a process lives; undefined where it cannot be asked from here: of another machine, boot or container. */
export function isAlive({ host, boot, pidNamespace, pid, start }: ProcessIdentity): boolean | undefined {
  const me = identityOf();
  if (host !== me.host || boot !== me.boot || pidNamespace !== me.pidNamespace) return undefined;
  return startOf(pid) === start;
}

/** '' where the system does not tell; undefined where there is no process of this number. */
function startOf(pid: string): string | undefined {
  const line = readOr(`/proc/${pid}/stat`, undefined);
  // The second field is the program's name in brackets and may hold anything; state is the third, start the 22nd.
  const fields = line?.slice(line.lastIndexOf(')') + 2).split(' ');
  if (fields) return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  try {
    process.kill(Number(pid), 0);
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? '' : undefined;
  }
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
  } catch {
    return '';
  }
}

function readOr<T>(file: string, otherwise: T): string | T {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}
