import { existsSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { connectionSettings } from '../../../src/connection/settings.ts';
import { InputError, ManyErrors, PlayError } from '../../../src/errors.ts';
import { renderConfiguration, renderUnit } from '../../../src/etcd/configuration.ts';
import { etcdVariables, readClusterSettings } from '../../../src/etcd/variables.ts';
import { assembleInventory } from '../../../src/inventory/assemble.ts';
import { readExtraVars } from '../../../src/inventory/extra-vars.ts';
import { parseHostList } from '../../../src/inventory/host-list.ts';
import type { Inventory, Variable } from '../../../src/inventory/inventory.ts';
import { withLayers } from '../../../src/inventory/layers.ts';
import { graphInventory, listHost, listInventory, pythonJson } from '../../../src/inventory/listing.ts';
import { type IniDocument, parseIni } from '../../../src/inventory/parse-ini.ts';
import { parseYamlInventory } from '../../../src/inventory/parse-yaml.ts';
import { selectHosts } from '../../../src/inventory/pattern.ts';
import { splitLines } from '../../../src/inventory/text.ts';
import { generateInventory } from '../inventory/generate.ts';
import { type Chance, chance } from '../inventory/random.ts';
import { processorMs } from '../processor-time.ts';
import { CANARY, wickedText } from './values.ts';

const COUNT = 10_000;
const SEED = 20_261_121;
/** Far more than any of them takes, on a busy machine too. */
const LONGEST_MS = 2_000;

const CONNECTION =
  `host port user password ssh_private_key_file become become_user become_password become_method connection
  ssh_common_args ssh_extra_args timeout group_priority`
    .split(/\s+/)
    .map((name) => `ansible_${name}`);
const NAMES = [...CONNECTION, ...etcdVariables.map(({ name }) => name)];

/** A value as somebody may write it: fitting, nearly, or not at all. */
function value(random: Chance): string {
  const fitting = [
    '1',
    'true',
    '10.0.0.1',
    '/var/lib/etcd',
    '3.5.16',
    '2380',
    '1h',
    'a,b',
    "{'A': 'b'}",
    '[1, 2]',
    '-J a',
  ];
  const text = random.percent(40)
    ? random.pick(fitting)
    : wickedText(random, { longest: random.percent(1) ? 20_000 : 120 });
  return random.percent(20) ? text + wickedText(random, { longest: 20 }) : text;
}

const name = (random: Chance) =>
  random.percent(70)
    ? random.pick(['h1', 'h2', 'n[1:3]', '10.0.0.1', 'fe80::1', 'web'])
    : wickedText(random, { longest: 60 });
const variable = (random: Chance) =>
  random.percent(85) ? random.pick(NAMES) : wickedText(random, { longest: 30, without: /[\s=]/ });

function ini(random: Chance): string {
  const oneLine = (text: string) => (random.percent(90) ? splitLines(text).join(' ') : text);
  const one = (text: string) => `'${text.replaceAll("'", `'"'"'`)}'`;
  const two = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`;
  const quoted = (text: string) => (random.percent(90) ? random.pick([one, two]) : String)(oneLine(text));
  const host = () =>
    [name(random), ...times(random, 3, () => `${variable(random)}=${quoted(value(random))}`)].join(' ');
  const lines = times(random, 4, host);
  for (let left = random.below(4); left > 0; left--) {
    const group = random.percent(80) ? random.pick(['etcd', 'web', 'all']) : wickedText(random, { longest: 30 });
    const kind = random.pick(['', ':vars', ':children']);
    lines.push(`[${group}${kind}]`);
    if (kind === ':vars') lines.push(...times(random, 4, () => `${variable(random)}=${oneLine(value(random))}`));
    else if (kind === ':children') lines.push(...times(random, 2, () => random.pick(['web', 'etcd', name(random)])));
    else lines.push(...times(random, 3, host));
  }
  return lines.join(random.pick(['\n', '\n', '\r\n']));
}

function times<T>(random: Chance, most: number, make: () => T): T[] {
  return Array.from({ length: random.below(most + 1) }, make);
}

/** Any data that JSON can write, groups and hosts for the most part, and so YAML that can be parsed. */
function data(random: Chance): unknown {
  const vars = () => Object.fromEntries(times(random, 4, () => [variable(random), anything(random, 3)]));
  const hosts = () =>
    Object.fromEntries(times(random, 4, () => [name(random), random.percent(97) ? vars() : anything(random, 1)]));
  const group = (depth: number): unknown => {
    const children = () => Object.fromEntries(times(random, 2, () => [name(random), group(depth - 1)]));
    return random.percent(97)
      ? { hosts: hosts(), vars: vars(), ...(depth > 0 && random.percent(40) ? { children: children() } : {}) }
      : anything(random, 2);
  };
  return Object.fromEntries([['etcd', group(3)], ...times(random, 2, () => [name(random), group(2)] as const)]);
}

function anything(random: Chance, depth: number): unknown {
  if (depth > 0 && random.percent(15)) return times(random, 4, () => anything(random, depth - 1));
  if (depth > 0 && random.percent(15)) {
    return Object.fromEntries(times(random, 4, () => [value(random), anything(random, depth - 1)]));
  }
  return random.pick([() => value(random), () => value(random), () => 7, () => true, () => null, () => 1.5])();
}

/** YAML as people write it by hand, with values that are not in quotes. */
function yaml(random: Chance): string {
  const written = (text: string) => (random.percent(85) ? JSON.stringify(text) : text);
  const lines = ['etcd:', '  hosts:'];
  for (let left = 1 + random.below(3); left > 0; left--) {
    lines.push(`    ${written(name(random))}:`);
    for (const given of times(random, 3, () => written(value(random))))
      lines.push(`      ${variable(random)}: ${given}`);
  }
  lines.push(
    '  vars:',
    ...times(
      random,
      5,
      () =>
        `    ${variable(random)}: ${random.percent(5) ? random.pick(['&a ', '*a', '!vault ', '!!int ', '|\n      ']) : ''}${value(random)}`,
    ),
  );
  return lines.join('\n');
}

const DATA = { passwords: [] };
const FILE = 'inventory';

async function documentOf(n: number, random: Chance): Promise<IniDocument> {
  switch (n % 5) {
    case 0:
      return parseIni(ini(random), FILE);
    case 1:
      return parseIni(generateInventory(random, 'x') + ini(random), FILE);
    case 2:
      return parseYamlInventory(yaml(random), FILE, DATA);
    case 3:
      return parseYamlInventory(JSON.stringify(data(random)), FILE, DATA);
    default:
      return parseHostList(times(random, 5, () => name(random)).join(','));
  }
}

/** Runs something that may be refused; what is thrown must be meant for people. */
async function taken<T>(act: () => T | Promise<T>): Promise<T | PlayError> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof PlayError) return error;
    throw error;
  }
}

const counts = { taken: 0, refused: 0, selected: 0, settings: 0, connections: 0 };

async function oneCase(n: number): Promise<void> {
  const random = chance(SEED + n);
  const inventory = await taken(async () => assembleInventory([await documentOf(n, random)]));
  if (inventory instanceof PlayError) {
    counts.refused += 1;
    expect(inventory).toBeInstanceOf(InputError);
    expect(inventory).toMatchObject({ file: FILE, line: expect.any(Number) });
    expect(inventory.line).toBeGreaterThan(0);
    return;
  }
  counts.taken += 1;
  const words = times(random, 2, () => `${variable(random)}=${value(random)}`);
  const extra = await taken(() =>
    readExtraVars(
      words.filter((word) => !word.startsWith('@')),
      DATA,
      [],
    ),
  );
  const whole = extra instanceof PlayError ? inventory : withLayers(inventory, { inventory: [], playbook: [], extra });
  look(whole);
  for (const pattern of times(random, 3, () => patternOf(random))) {
    const limit = random.percent(20) ? patternOf(random).replaceAll('@', '') : undefined;
    if (!((await taken(() => selectHosts(whole, pattern, limit))) instanceof PlayError)) counts.selected += 1;
  }
  await readHosts(whole);
}

function look(inventory: Inventory): void {
  expect(() => JSON.parse(pythonJson(listInventory(inventory)))).not.toThrow();
  expect(graphInventory(inventory, 'all', true)).toContain('@all:');
  for (const host of inventory.hosts.keys()) listHost(inventory, host);
}

function patternOf(random: Chance): string {
  const base = ['all', 'etcd', 'web', 'h1', 'h*', '~h.', 'n1'];
  const one = () => (random.percent(80) ? random.pick(base) : wickedText(random, { longest: 40 }));
  const parts = [...times(random, 2, one), one()].map((part) => random.pick(['', '', '', '&', '!']) + part);
  return parts.join(random.pick([',', ':'])) + random.pick(['', '', '', '[0]', '[1:]']);
}

/** What a run makes of it before it touches a host. */
async function readHosts(inventory: Inventory): Promise<void> {
  const hosts = [...inventory.hosts.keys()].slice(0, 4);
  for (const host of hosts) {
    const settings = await taken(() => connectionSettings(host, inventory.varsOf(host), { become: true }));
    if (!(settings instanceof PlayError)) counts.connections += 1;
  }
  const given = hosts.map((host) => ({ host, vars: inventory.varsOf(host).values() as Iterable<Variable> }));
  const cluster = await taken(() => readClusterSettings(given, '/inventory', () => undefined));
  if (cluster instanceof PlayError) {
    expect(cluster instanceof InputError || cluster instanceof ManyErrors).toBe(true);
    return;
  }
  for (const settings of cluster.values()) {
    counts.settings += 1;
    const initialCluster = [{ name: settings.name, peerUrl: settings.advertisePeerUrl }];
    const text = renderConfiguration({ settings, initialCluster, state: 'new', arch: 'amd64' });
    // Each line is what it was meant to be, and nothing that a value brought with it.
    for (const line of text.split('\n')) expect(line).toMatch(/^(?:#.*|[A-Z][A-Z0-9_]*=".*"|)$/);
    for (const line of renderUnit({ settings }).split('\n')) {
      expect(line).toMatch(/^(?:#.*|\[\w+\]|[A-Za-z]+=[^"'`$%\\;|&<>]*|)$/);
    }
  }
}

describe(`${COUNT} generated inventories, patterns and variables`, () => {
  afterAll(() => {
    expect(existsSync(CANARY)).toBe(false);
    expect(existsSync(`/${CANARY}`)).toBe(false);
  });

  it('are read or refused with file and line, each at once, and nothing of them is run', {
    timeout: 120_000,
  }, async () => {
    let slowest = { ms: 0, n: 0 };
    for (let n = 0; n < COUNT; n++) {
      const started = processorMs();
      try {
        await oneCase(n);
      } catch (error) {
        throw new Error(`case ${n}: ${error instanceof Error ? error.stack : error}`, { cause: error });
      }
      const ms = processorMs() - started;
      if (ms > slowest.ms) slowest = { ms, n };
    }
    expect(slowest.ms, `case ${slowest.n}`).toBeLessThan(LONGEST_MS);
    // Of each kind enough came through to be looked at.
    expect(Math.min(...Object.values(counts)), JSON.stringify(counts)).toBeGreaterThan(COUNT / 20);
  });
});
