import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/errors.ts';
import { parseLiteral, UnhashableKey } from '../../../src/inventory/literal.ts';
import { loadInventory } from '../../../src/inventory/load.ts';
import { selectHosts } from '../../../src/inventory/pattern.ts';
import { SplitError, splitWords } from '../../../src/inventory/split.ts';
import { ansibleInventory, ansiblePython, askAnsible, askPython, listing, orAbsent, python } from './ansible.ts';
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

async function isRefused(file: string): Promise<boolean> {
  try {
    await loadInventory([file]);
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
      expect(await filter(sources, isRefused)).toEqual(sources);
      expect(askAnsible(sources).refused).toEqual(sources);
    });

    it('400 random inventories are refused by both or read the same by both', { timeout: 30_000 }, async () => {
      const random = chance(20_240_611);
      const sources = files(
        'random',
        Array.from({ length: 400 }, (_, index) => generateInventory(random, `r${index}`)),
      );
      const refused = await filter(sources, isRefused);
      expect(refused).toEqual(askAnsible(sources).refused);
      expect(refused.length).toBeGreaterThan(20);
      expect(refused.length).toBeLessThan(200);

      const taken = sources.filter((source) => !refused.includes(source));
      const { listing: theirs, refused: refusedTogether } = askAnsible(taken);
      expect(refusedTogether).toEqual([]);
      expect(listing(await loadInventory(taken))).toEqual(theirs);
    });

    it('150 random inventories of the same hosts and groups are put together the same', {
      timeout: 30_000,
    }, async () => {
      const random = chance(7);
      const texts = Array.from({ length: 150 }, () => generateInventory(random, 's'));
      const sources: string[] = [];
      // Each is fine alone, but together a group may become its own child.
      for (const source of files('same', texts)) if (!(await isRefused(source))) sources.push(source);
      const fits: string[] = [];
      for (const source of sources) {
        const ok = await loadInventory([...fits, source]).then(
          () => true,
          () => false,
        );
        if (ok) fits.push(source);
      }
      const { listing: theirs, refused } = askAnsible(fits);
      expect(refused).toEqual([]);
      expect(listing(await loadInventory(fits))).toEqual(theirs);
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

describe.skipIf(!python)(orAbsent('next to Python', python, 'python3'), () => {
  it('20,000 random values are typed as ast.literal_eval types them', () => {
    const random = chance(4711);
    const values = Array.from({ length: 20_000 }, () =>
      random.percent(70) ? generateValue(random, 3) : noise(random),
    );
    const theirs = askPython(python!, LITERAL_SCRIPT, values) as unknown[];
    const ours = values.map((value) => {
      try {
        const literal = parseLiteral(value);
        return literal ? { value: literal.value } : 'text';
      } catch (error) {
        if (!(error instanceof UnhashableKey)) throw error;
        return 'unhashable';
      }
    });
    const plain = JSON.parse(JSON.stringify(ours, (_, v) => (typeof v === 'bigint' ? `int ${v}` : v)));
    const different = values.flatMap((value, index) => {
      const [our, their] = [plain[index], theirs[index]];
      // Members of a set have no order; and where a bad key comes before what is no literal, Python sees the key first.
      if (their === 'unordered' || (their === 'unhashable' && our === 'text')) return [];
      return JSON.stringify(our) === JSON.stringify(their) ? [] : [[value, our, their]];
    });
    expect(different).toEqual([]);
  });

  it('20,000 random lines are split as shlex splits them', () => {
    const random = chance(815);
    const letters = ['a', 'b', ' ', ' ', '=', "'", '"', '\\', '#', '\t', 'é', '$', ';'];
    const lines = Array.from({ length: 20_000 }, () => random.some(letters, random.below(14)).join(''));
    const theirs = askPython(python!, SPLIT_SCRIPT, lines) as unknown[];
    const ours = lines.map((line) => {
      try {
        return splitWords(line).words;
      } catch (error) {
        if (!(error instanceof SplitError)) throw error;
        return null;
      }
    });
    expect(ours).toEqual(theirs);
  });
});

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

// A pattern that matches nothing is an error here, and so it can be made one in Ansible.
const PATTERN_SCRIPT = `
import json, sys
from ansible import constants as C
from ansible.parsing.dataloader import DataLoader
from ansible.inventory.manager import InventoryManager
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

// What has no like in JavaScript counts as text; an integer that a number cannot hold is marked.
const LITERAL_SCRIPT = `
import ast, json, sys
def plain(v):
    if v is ... or isinstance(v, complex): raise ValueError
    if isinstance(v, float) and abs(v) == float('inf'): return None
    if isinstance(v, float) and v.is_integer() and abs(v) < 1e21: return int(v)
    if isinstance(v, bool) or v is None or isinstance(v, (str, float)): return v
    if isinstance(v, int): return v if abs(v) < 2 ** 53 else 'int %d' % v
    if isinstance(v, bytes): return v.decode('utf-8', 'replace')
    if isinstance(v, set) and len(v) > 1: raise OverflowError
    if isinstance(v, (list, tuple, set)): return [plain(x) for x in v]
    return {key(k): plain(x) for k, x in v.items()}
def key(k):
    if isinstance(k, bool): return str(k).lower()
    return 'null' if k is None else k if isinstance(k, str) else str(k)
answers = []
for text in json.load(sys.stdin):
    try: answers.append({'value': plain(ast.literal_eval(text))})
    except TypeError: answers.append('unhashable')
    except OverflowError: answers.append('unordered')
    except (ValueError, SyntaxError): answers.append('text')
print(json.dumps(answers))
`;

const SPLIT_SCRIPT = `
import json, shlex, sys
answers = []
for line in json.load(sys.stdin):
    try: answers.append(shlex.split(line, comments=True))
    except ValueError: answers.append(None)
print(json.dumps(answers))
`;

function generateValue(random: Chance, depth: number): string {
  const gap = () => random.pick(['', '', ' ', '  ']);
  const items = (of: () => string) => Array.from({ length: random.below(4) }, of).join(`${gap()},${gap()}`);
  const simple = () =>
    random.pick([
      '0',
      '1',
      '-1',
      '+2',
      '- 3',
      '--1',
      '-(4)',
      '00',
      '012',
      '1_0',
      '1__0',
      '0x1f',
      '0X',
      '0o17',
      '0b101',
      '1.5',
      '1.10',
      '.5',
      '5.',
      '1e3',
      '1.e-2',
      '1e',
      '01.5',
      '9007199254740993',
      '-9007199254740993',
      'True',
      'False',
      'None',
      'true',
      '-True',
      'nil',
      "''",
      '""',
      "'a'",
      '"a\\"b"',
      "'it\\'s'",
      "r'\\n'",
      "b'a'",
      "u'b'",
      "f'c'",
      "'''d'''",
      '"""e"f"""',
      "'a' 'b'",
      "'a' b'c'",
      "'\\x41'",
      "'\\x4'",
      "'\\101'",
      "'\\u00e9'",
      "'\\U0001F600'",
      "'\\U99999999'",
      "'\\q'",
      'b"\\xff"',
      "'é'",
      "b'é'",
      'abc',
      'a.b',
      '1.2.3',
      '10.0.0.1',
      '1 2',
      '()',
      '(,)',
      '[',
      ']',
      '(1)',
      '2j',
      '...',
      'set()',
      '1if',
      "1'a'",
    ]);
  if (depth === 0 || random.percent(45))
    return simple() + (random.percent(4) ? random.pick([' # c', '#c', ',', ' ', ';']) : '');
  const inner = () => generateValue(random, depth - 1);
  const key = () => random.pick(["'k'", '"l"', '1', 'True', 'None', "'__proto__'", '[1]', 'x']);
  return random.pick([
    () => `[${gap()}${items(inner)}${gap()}]`,
    () => `(${items(inner)})`,
    () => `(${inner()},)`,
    () => `{${inner()}}`,
    () => `{${gap()}${items(() => `${key()}${gap()}:${gap()}${inner()}`)}}`,
    () => `${inner()},${inner()}`,
    () => `-${inner()}`,
  ])();
}

function noise(random: Chance): string {
  const letters = [
    '1',
    '0',
    '.',
    'e',
    '-',
    '+',
    '_',
    'x',
    'a',
    "'",
    '"',
    '[',
    ']',
    '(',
    ')',
    ',',
    ':',
    ' ',
    '\\',
    '#',
    'r',
    'b',
    'T',
  ];
  return random.some(letters, random.below(10)).join('');
}
