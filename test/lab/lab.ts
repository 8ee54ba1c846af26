import { join, resolve } from 'node:path';
import { bringUp, prepareMachine } from './boot.ts';
import { cgroupName, setFrozen } from './cgroup.ts';
import type { CommandResult } from './command.ts';
import { runAtConsole } from './console.ts';
import { wipeDisk } from './disk.ts';
import { takeDown } from './down.ts';
import { killHost, leaderOf, stopHost } from './host.ts';
import { type InventoryOptions, renderInventory, writeInventory } from './inventory.ts';
import { LabError } from './lab-error.ts';
import { withLock } from './lock.ts';
import { narrow } from './narrow.ts';
import { setCable, setPartition } from './network.ts';
import { giveToCaller } from './owner.ts';
import { type HostStatus, statusOf } from './ps.ts';
import { slow } from './slow.ts';
import { type ExecOptions, execBySsh, keyFileOf, knownHostsOf, login } from './ssh.ts';
import { claimLab, hostOf, type LabRecord, labDir, lockOfLab, readLab, writeLab } from './state.ts';
import { addressIn, gatewayOf, hostNumber } from './subnet.ts';
import { type Suite, suiteOf } from './suite.ts';
import type { LabUser } from './users.ts';

export interface LabOptions {
  /** Two labs with different names do not disturb each other. `lab` when not said. */
  name?: string;
  /** h1 … hN shall be up; 3 when not said. More that are there already stay as they are. */
  hosts?: number;
  /** Debian releases (code names or numbers), given to new hosts in turn; bookworm when not said. */
  suites?: readonly (Suite | string | number)[];
  /** Where to write an inventory of the lab, beside the one in its own folder. */
  inventory?: string;
  /** Further variables for these inventories. */
  vars?: Readonly<Record<string, string>>;
  /** Take down what there is of a lab of this name first. */
  fresh?: boolean;
  /** Told what takes long. */
  note?: (text: string) => void;
}

export interface LabHost {
  readonly name: string;
  readonly address: string;
  readonly suite: Suite;
}

/** A lab that is up. Hosts are meant by name (`h1`) or number (1). */
export interface Lab {
  readonly name: string;
  /** The folder of its keys, disks and records; gone after `down`. */
  readonly dir: string;
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** An inventory of all hosts, in the lab's folder. */
  readonly inventoryFile: string;
  /** A folder for certificates that goes with the lab. The lab does not make it. */
  readonly pkiDir: string;
  /** This machine's address as the hosts see it. */
  readonly gateway: string;
  readonly hosts: readonly LabHost[];
  addressOf(host: string | number): string;
  /** Runs a command line in a host: as root at its console, or as a user through the system's ssh client. Never throws for its status. */
  exec(host: string | number, line: string, options?: ExecOptions): Promise<CommandResult>;
  login(host: string | number, user: LabUser, words: readonly string[]): Promise<number>;
  status(): Promise<HostStatus[]>;
  /** Boots one more host, or one that is off. */
  add(host: string | number, options?: { suite?: Suite | string | number }): Promise<LabHost>;
  /** Power loss; `silent`: its cable goes first, so peers get silence and no reset. */
  kill(host: string | number, options?: { silent?: boolean }): Promise<void>;
  stop(host: string | number): Promise<void>;
  /** Power on, with the cable in and no delay; back when its sshd answers and systemd has booted, but for one unit. */
  start(host: string | number, options?: { apartFrom?: string }): Promise<void>;
  /** Power loss, a new empty disk, new SSH host keys (known_hosts is written anew), and power on. */
  wipe(host: string | number): Promise<void>;
  cut(host: string | number): Promise<void>;
  heal(host: string | number): Promise<void>;
  /** Parts two hosts from each other only. */
  partition(a: string | number, b: string | number): Promise<void>;
  rejoin(a: string | number, b: string | number): Promise<void>;
  /** Adds this much to the round trip of every packet to and from the host; 0 undoes it. */
  slow(host: string | number, roundTripMs: number): Promise<void>;
  /** Lets at most so many megabits a second through to and from the host; 0 undoes it. */
  narrow(host: string | number, mbit: number): Promise<void>;
  /** Stops every process of a host without killing it; connections stay open and nothing answers. */
  freeze(host: string | number): Promise<void>;
  thaw(host: string | number): Promise<void>;
  /** Mounts an empty file system of that size on a path inside a host. */
  smallDisk(host: string | number, path: string, sizeBytes: number): Promise<void>;
  /** The text of an inventory of this lab. */
  inventory(options?: InventoryOptions): string;
  writeInventory(path: string, options?: InventoryOptions): Promise<void>;
  down(): Promise<void>;
}

/** Makes it so that a lab is up, from whatever state it was left in. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const name = options.name ?? 'lab';
  labDir(name);
  await prepareMachine();
  if (options.fresh) await takeDown(name);
  const wantedSuites = options.suites?.map(suiteOf) ?? [];
  const wanted = Array.from({ length: options.hosts ?? 3 }, (_, i) => ({
    name: `h${hostNumber(i + 1)}`,
    suite: wantedSuites[i % (wantedSuites.length || 1)],
  }));
  const record = await withLock(lockOfLab(name), async () => {
    const lab = await claimLab(name);
    await bringUp(lab, wanted, options.note ?? (() => {}));
    for (const path of [join(labDir(name), 'hosts.ini'), ...(options.inventory ? [resolve(options.inventory)] : [])]) {
      if (!lab.inventories.includes(path)) lab.inventories.push(path);
      await writeLab(lab);
      await writeInventory(path, lab, { vars: options.vars ?? {} });
    }
    await giveToCaller([labDir(name), keyFileOf(name), knownHostsOf(name), ...lab.inventories]);
    return lab;
  });
  return labFrom(record);
}

/** A lab that was opened before, by this process or another; nothing is booted. */
export async function findLab(name = 'lab'): Promise<Lab> {
  const record = await readLab(name);
  if (record) return labFrom(record);
  throw new LabError(`there is no lab "${name}"`, { next: '`npm run lab -- up` makes one' });
}

function labFrom(record: LabRecord): Lab {
  const { name } = record;
  const quiet = () => {};
  const named = (host: string | number) => hostOf(record, host);
  /** Reads the record again under the lock: another process may have added hosts. */
  const changing = <T>(work: () => Promise<T>): Promise<T> =>
    withLock(lockOfLab(name), async () => {
      record.hosts.splice(0, Infinity, ...((await readLab(name))?.hosts ?? []));
      return await work();
    });
  const boot = (host: string, suite?: Suite, apartFrom?: string) =>
    bringUp(record, [{ name: host, suite, apartFrom }], quiet);

  const lab: Lab = {
    name,
    dir: labDir(name),
    keyFile: keyFileOf(name),
    knownHostsFile: knownHostsOf(name),
    inventoryFile: join(labDir(name), 'hosts.ini'),
    pkiDir: join(labDir(name), 'pki'),
    gateway: gatewayOf(record.subnet),
    get hosts() {
      return record.hosts.map(({ name, address, suite }) => ({ name, address, suite }));
    },
    addressOf: (host) => addressIn(record.subnet, host),
    exec: (host, line, options = {}) => {
      const limited = { timeoutMs: 120_000, ...options };
      const run = options.user ? execBySsh : runAtConsole;
      return run(record, named(host), line, limited);
    },
    login: (host, user, words) => login(record, named(host), user, words),
    status: () => Promise.all(record.hosts.map((host) => statusOf(record, host))),
    add: (host, options = {}) =>
      changing(async () => {
        const name = `h${hostNumber(host)}`;
        await boot(name, options.suite === undefined ? undefined : suiteOf(options.suite));
        const { address, suite } = named(name);
        return { name, address, suite };
      }),
    kill: (host, options = {}) => killHost(record, named(host).name, options.silent ?? false),
    stop: (host) => changing(() => stopHost(record, named(host).name)),
    start: (host, { apartFrom } = {}) => changing(() => boot(named(host).name, undefined, apartFrom)),
    wipe: (host) =>
      changing(async () => {
        const { name } = named(host);
        if ((await leaderOf(record, name)) !== undefined) await killHost(record, name, false);
        await wipeDisk(record, name);
        await boot(name);
      }),
    cut: (host) => setCable(record, named(host).name, 'down'),
    heal: (host) => setCable(record, named(host).name, 'up'),
    partition: (a, b) => setPartition(record, named(a).name, named(b).name, true),
    rejoin: (a, b) => setPartition(record, named(a).name, named(b).name, false),
    slow: (host, roundTripMs) => changing(() => slow(record, named(host).name, roundTripMs)),
    narrow: (host, mbit) => changing(() => narrow(record, named(host).name, mbit)),
    freeze: (host) => setFrozen(cgroupName(name, named(host).name), true),
    thaw: (host) => setFrozen(cgroupName(name, named(host).name), false),
    smallDisk: async (host, path, sizeBytes) => {
      const script = `mkdir -p -- "$1" && mount -t tmpfs -o "size=$2,mode=0755" lab-small-disk "$1"`;
      const line = `sh -s -- '${path.replaceAll("'", "'\\''")}' ${sizeBytes}`;
      const result = await lab.exec(host, line, { input: script });
      if (result.code !== 0) throw new LabError(`cannot mount a small disk on ${path}: ${result.stderr.trim()}`);
    },
    inventory: (options) => renderInventory(record, options),
    writeInventory: (path, options) => writeInventory(resolve(path), record, options),
    down: () => takeDown(name),
  };
  return lab;
}
