import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupMount } from './cgroup.ts';
import { LabError } from './lab-error.ts';
import { withLock } from './lock.ts';
import { lockDir, mark, stateDir } from './places.ts';
import { subfolders } from './process.ts';
import { addressIn, chooseSubnet } from './subnet.ts';
import type { Suite } from './suite.ts';

export interface HostRecord {
  /** h1, h2, … */
  name: string;
  address: string;
  suite: Suite;
  /** The read-only root below its disk. */
  root: string;
}

/** What is written down of a lab (`lab.json`): its name, its subnet, its hosts, and the inventories to remove with it. */
export interface LabRecord {
  name: string;
  subnet: number;
  hosts: HostRecord[];
  inventories: string[];
}

export function labDir(lab: string): string {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(lab)) {
    throw new LabError(`"${lab}" is no name for a lab`, { next: 'use small letters, digits and dashes, 31 at most' });
  }
  return join(stateDir, lab);
}

export const hostDir = (lab: string, host: string): string => join(labDir(lab), 'hosts', host);
/** Where a host's cgroup, network namespace and machine get their names from. */
export const machineOf = (lab: string, host: string): string => `${mark}-${lab}-${host}`;
export const lockOfLab = (lab: string): string => join(lockDir, lab);

export async function readLab(lab: string): Promise<LabRecord | undefined> {
  const text = await readFile(join(labDir(lab), 'lab.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as LabRecord);
}

export async function writeLab(record: LabRecord): Promise<void> {
  const file = join(labDir(record.name), 'lab.json');
  await mkdir(labDir(record.name), { recursive: true });
  await writeFile(`${file}.new`, `${JSON.stringify(record, null, 2)}\n`);
  await rename(`${file}.new`, file);
}

/** Names of all labs on this machine, also of one whose making was cut short or whose folder is lost. */
export async function labNames(): Promise<string[]> {
  const running = await subfolders(join(await cgroupMount(), mark));
  return [...new Set([...(await subfolders(stateDir)), ...running])].sort();
}

/** The lab's record, made with a subnet of its own when there is none yet. */
export async function claimLab(lab: string): Promise<LabRecord> {
  const dir = labDir(lab);
  return await withLock(join(lockDir, '.subnets'), async () => {
    const existing = await readLab(lab);
    if (existing) return existing;
    const others = await Promise.all((await labNames()).map((name) => readLab(name)));
    const taken = new Set(others.flatMap((other) => (other ? [other.subnet] : [])));
    const record: LabRecord = { name: lab, subnet: chooseSubnet(lab, taken), hosts: [], inventories: [] };
    await mkdir(join(dir, 'hosts'), { recursive: true });
    await writeLab(record);
    return record;
  });
}

/** The record of a host, by its name or its number. */
export function hostOf(record: LabRecord, host: string | number): HostRecord {
  const name = typeof host === 'number' ? `h${host}` : host;
  const found = record.hosts.find((h) => h.name === name);
  if (found) return found;
  throw new LabError(`lab "${record.name}" has no host ${name}`, {
    next: `its hosts are ${record.hosts.map((h) => h.name).join(', ') || 'none yet'}`,
  });
}

export function newHost(record: LabRecord, name: string, suite: Suite, root: string): HostRecord {
  return { name, address: addressIn(record.subnet, name), suite, root };
}
