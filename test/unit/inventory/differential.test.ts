import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { loadInventory } from '../../../src/inventory/load.ts';
import { selectHosts } from '../../../src/inventory/pattern.ts';
import { ansibleInventory, ansiblePython, askAnsible, askPython, listing, orAbsent } from './ansible.ts';
import { REFUSED, TAKEN } from './corpus.ts';
import { generateInventory } from './generate.ts';
import { type Chance, chance } from './random.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inv'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function files(name: string, texts: readonly string[]): string[] {
  return texts.map((text, index) => {
    const path = join(folder, `${name}${index}.ini`);
    writeFileSync(path, text);
    return path;
  });
}

async function isRefused(...sources: string[]): Promise<boolean> {
  try {
    await loadInventory(sources);
    return false;
  } catch (error) {
    if (error instanceof InputError) return true;
    throw error;
  }
}

async function filter<T>(items: readonly T[], test: (item: T) => Promise<boolean>): Promise<T[]> {
  const results = await Promise.all(items.map(test));
  return items.filter((_, index) => results[index]);
}

describe.skipIf(!ansibleInventory)(
  orAbsent('next to ansible-inventory --list', ansibleInventory, 'ansible-core'),
  () => {
    it('every inventory of the corpus gives the same hosts, groups and variables', async () => {
      const sources = files('taken', TAKEN);
      const { listing: theirs, refused } = askAnsible(sources);
      expect(refused).toEqual([]);
      expect(listing(await loadInventory(sources))).toEqual(theirs);
    });

    it('every inventory of the corpus of errors is refused by both', async () => {
      const sources = files('refused', REFUSED);
      expect(await filter(sources, (source) => isRefused(source))).toEqual(sources);
      expect(askAnsible(sources).refused).toEqual(sources);
    });

    it('250 random inventories are refused by both or read the same by both', async () => {
      const random = chance(20_240_611);
      const texts = Array.from({ length: 250 }, (_, index) => generateInventory(random, `r${index}`));
      const sources = files('random', texts);
      const refused = await filter(sources, (source) => isRefused(source));
      expect(refused).toEqual(askPython(ansiblePython!, REFUSED_SCRIPT, sources));
      expect(refused.length).toBeGreaterThan(25);
      expect(refused.length).toBeLessThan(125);

      // One file of all that are taken: Ansible's time grows with sources times hosts.
      const taken = texts.filter((_, index) => !refused.includes(sources[index]!));
      const whole = files('whole', [taken.join('[ungrouped]\n')]);
      const { listing: theirs, refused: refusedWhole } = askAnsible(whole);
      expect(refusedWhole).toEqual([]);
      expect(listing(await loadInventory(whole))).toEqual(theirs);
    });

    it('60 random inventories of the same hosts and groups add up to the same', async () => {
      const random = chance(7);
      const sources = files(
        'same',
        Array.from({ length: 60 }, () => generateInventory(random, 's')),
      );
      const fitting: string[] = [];
      for (const source of sources) {
        // One that is fine alone may still make a group its own child.
        if (!(await isRefused(...fitting, source)) && !(await isRefused(source))) fitting.push(source);
      }
      expect(fitting.length).toBeGreaterThan(15);
      const { listing: theirs, refused } = askAnsible(fitting);
      expect(refused).toEqual([]);
      expect(listing(await loadInventory(fitting))).toEqual(theirs);
    });

    it('patterns and limits name the same hosts in the same order', async () => {
      const [source] = files('pattern', [PATTERN_INVENTORY]);
      const random = chance(99);
      const patterns = [...PATTERNS, ...Array.from({ length: 1500 }, () => generatePattern(random))];
      const theirs = askPython(ansiblePython!, PATTERN_SCRIPT, { source, patterns }) as (string[] | null)[];
      const inventory = await loadInventory([source!]);
      const ours = patterns.map((pattern) => {
        try {
          return selectHosts(inventory, pattern);
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
          return null;
        }
      });
      expect(Object.fromEntries(patterns.map((pattern, index) => [pattern, ours[index]]))).toEqual(
        Object.fromEntries(patterns.map((pattern, index) => [pattern, theirs[index]])),
      );
      expect(theirs.filter((hosts) => hosts !== null).length).toBeGreaterThan(300);
    });
  },
);

const PATTERN_INVENTORY = `
lone
[web]
web[1:3]
10.0.0.1
[db]
db1
web2
db[a:c]
[cache]
[site:children]
web
db
`;

const PATTERNS = [
  'all',
  '*',
  'web',
  'web,db',
  'web:db',
  'web:&db',
  'web:!db',
  '!db',
  '&db',
  'web[0]',
  'web[-1]',
  'web[1:2]',
  'web[1:]',
  'web[2:0]',
  'web[9]',
  'web[7:9]',
  'site[3]',
  'w*',
  'w*[4]',
  '~web|db',
  '~web[13]',
  '~(?i)WEB',
  'db?',
  'db[ab]',
  'db[!ab]',
  'db[0-1]',
  '10.0.0.1',
  '10.*',
  'ungrouped',
  'cache',
  'cache,lone',
  'nosuch',
  'lone,lone',
  'all,!web[0]',
  'all:!~web',
  'lo',
] as const;

function generatePattern(random: Chance): string {
  const base = [
    'all',
    'web',
    'db',
    'site',
    'lone',
    'web1',
    'db?',
    'w*',
    '*',
    'd*',
    '~w.*',
    '~.*1',
    '*1*',
    'web[0]',
    'site[1:3]',
    'db[-1]',
    '*[2]',
    'cache',
    'ungrouped',
    'db[a-c]',
    'web[!1]',
    'nosuch',
  ];
  const parts = Array.from(
    { length: 1 + random.below(4) },
    () => random.pick(['', '', '', '&', '!']) + random.pick(base),
  );
  return parts.join(random.pick([',', ':', ', ']));
}

const REFUSED_SCRIPT = `
import json, sys
from ansible import constants as C
from ansible.parsing.dataloader import DataLoader
from ansible.inventory.manager import InventoryManager
C.INVENTORY_ANY_UNPARSED_IS_FAILED = True
sys.stderr = open('/dev/null', 'w')
loader = DataLoader()
refused = []
for source in json.load(sys.stdin):
    try: InventoryManager(loader, [source])
    except Exception: refused.append(source)
print(json.dumps(refused))
`;

// A pattern that matches nothing is an error here, and so it can be made one in Ansible.
const PATTERN_SCRIPT = `
import json, sys
from ansible import constants as C
from ansible.parsing.dataloader import DataLoader
from ansible.inventory.manager import InventoryManager
sys.stderr = open('/dev/null', 'w')
C.HOST_PATTERN_MISMATCH = 'error'
asked = json.load(sys.stdin)
manager = InventoryManager(DataLoader(), [asked['source']])
answers = []
for pattern in asked['patterns']:
    try:
        hosts = [host.name for host in manager.get_hosts(pattern)]
        answers.append(hosts or None)
    except Exception:
        answers.append(None)
print(json.dumps(answers))
`;
