import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Inventory, Variable } from '../../../src/inventory/inventory.ts';
import { graphInventory, listHost, listInventory, pythonJson } from '../../../src/inventory/listing.ts';
import { type LoadOptions, loadInventory } from '../../../src/inventory/load.ts';
import { revealed, Secret } from '../../../src/secret.ts';
import { ansibleInventory, ansiblePython, ansibleSays, askPython, encrypt, orAbsent } from './ansible.ts';
import { type Chance, chance } from './random.ts';
import { tree } from './tree.ts';

const files = tree();
beforeAll(() => files.write({ password: 'open sesame\n' }));
afterAll(() => files.remove());

/** Both listings of the same words; `-i` and `--playbook-dir` are relative to the tree. */
async function both(sources: string[], playbookDir?: string, extraVars: string[] = [], passwords: Secret[] = []) {
  const args = sources.flatMap((source) => ['-i', source]);
  if (playbookDir !== undefined) args.push('--playbook-dir', playbookDir);
  for (const word of extraVars) args.push('-e', word);
  if (passwords.length > 0) args.push('--vault-password-file', 'password');
  const options: LoadOptions = { extraVars, vaultPasswords: passwords };
  if (playbookDir !== undefined) options.playbookDir = files.path(playbookDir);
  const inventory = await loadInventory(sources.map(files.path), options);
  return { inventory, theirs: (...more: string[]) => ansibleSays([...args, ...more], files.root) };
}

/** The inventory as if nothing in it were secret. */
function unsealed(inventory: Inventory): Inventory {
  const open = (value: unknown): unknown => {
    if (value instanceof Secret) return /^\d+$/.test(value.reveal()) ? Number(value.reveal()) : value.reveal();
    if (Array.isArray(value)) return value.map(open);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, open(item)]));
  };
  const all = (vars: Map<string, Variable>) =>
    new Map([...vars].map(([name, variable]) => [name, { ...variable, value: open(variable.value) }]));
  return { ...inventory, varsOf: (host) => all(inventory.varsOf(host)) };
}

describe.skipIf(!ansibleInventory)(orAbsent('next to ansible-inventory', ansibleInventory, 'ansible-core'), () => {
  it('a directory of inventories with variables of every kind is listed, shown and drawn to the letter', async () => {
    files.write({
      'site/10-hosts':
        '[web]\nw1 own=1\nw2\n[db]\nd1:2222\n[site:children]\nweb\ndb\n[site:vars]\ns=ini\nansible_group_priority=3\n',
      'site/20-more.yml': `
all:
  hosts: {lone: {x: 1}}
  vars: {octal: 0644, yes_: yes, day: 2020-01-02, sixty: 1:30, exp: 1e3, short: 3.10, nothing: ~, text: '007'}
  children:
    web:
      hosts:
        w[3:4]:22: {q: [1, {a: b}]}
      children:
        sub: {hosts: w9}
`,
      'site/30-more.json': '{"db": {"hosts": {"d2": {"n": null, "f": 1.5}}}, "empty": null}',
      'site/README.md': 'not an inventory',
      'site/.hidden': '[[[',
      'site/sub/deeper': 'far a="b c"\n',
      'site/group_vars/all/b.yml': 's: all\nbase: &b {p: 1, q: 2}\nmerged: {<<: *b, q: 3}\nlines: |\n  two\n  lines\n',
      'site/group_vars/all/a.json':
        '{"j": 1.5, "k": [true, null, "é \\\\ \\" \'"], "big": 99999999999999999999, "s": "a"}',
      'site/group_vars/all/deep/c': 'base: replaced\n',
      'site/group_vars/all/.hidden.yml': 's: hidden\n',
      'site/group_vars/all/c.yml~': 's: backup\n',
      'site/group_vars/all/d.conf': 's: other ending\n',
      'site/group_vars/web.yml': 's: web\nw: {}\n',
      'site/group_vars/db.yaml': 's: db\n',
      'site/group_vars/nosuch.yml': 's: nosuch\n',
      'site/host_vars/w1': '---\nown: 2\nfrom: host_vars\n',
      'site/host_vars/d1.json': '{"own": [1, 2, {"a": "b"}]}',
      'site/host_vars/empty.yml': '',
      'play/group_vars/all.yml': 'play: all\nbase: play\n',
      'play/group_vars/site.yml': 's: play\n',
      'play/host_vars/lone.yml': 'x: 2\n',
      'play/host_vars/localhost.yml': 'x: 3\n',
    });
    const { inventory, theirs } = await both(['site'], 'play', ['e=1 f="two words"', '{"g": [1, yes]}', 'e=2']);
    expect(`${pythonJson(listInventory(inventory))}\n`).toBe(theirs('--list'));
    for (const host of ['w1', 'd1', 'far']) {
      expect(`${pythonJson(listHost(inventory, host))}\n`).toBe(theirs('--host', host));
    }
    // Named nowhere, it is this machine. Which Python is Ansible's own is no question here.
    const { ansible_python_interpreter: _, ...localhost } = JSON.parse(theirs('--host', 'localhost'));
    expect(JSON.parse(pythonJson(listHost(inventory, 'localhost')))).toEqual(localhost);
    expect(`${graphInventory(inventory, 'all', false)}\n`).toBe(theirs('--graph'));
    expect(`${graphInventory(inventory, 'all', true)}\n`).toBe(theirs('--graph', '--vars'));
    expect(`${graphInventory(inventory, 'site', true)}\n`).toBe(theirs('--graph', '--vars', 'site'));
  });

  it('12 random trees of several sources, variable files and -e are listed to the letter', async () => {
    const random = chance(31);
    for (let n = 0; n < 12; n++) {
      files.write(randomTree(random, `t${n}`));
      const sources = [`t${n}/a`, `t${n}/b/hosts`, `t${n}/a/hosts`, `t${n}/c`].filter(() => random.percent(70));
      if (sources.length === 0) sources.push(`t${n}/c`);
      const extra = random.percent(30) ? ['v1=extra'] : [];
      const { inventory, theirs } = await both(sources, random.percent(50) ? `t${n}/play` : undefined, extra);
      expect(`${pythonJson(listInventory(inventory))}\n`, sources.join(' ')).toBe(theirs('--list'));
    }
  }, 60_000);

  it('vaults of both formats, as files and as values, hold the same', async () => {
    const password = files.path('password');
    files.write({
      'locked/hosts': 'v1\nv2\nv3\n',
      'locked/group_vars/all.yml': encrypt('a: text\nb: 5\nc: [true, {d: e}]\n', password, {}),
      'locked/host_vars/v1.yml':
        encrypt('hidden\n', password, { name: 'one' }) + encrypt('ü', password, { name: 'two', label: 'lab' }),
      'locked/host_vars/v2.json': encrypt('{"json": "x"}', password, { label: 'prod' }),
      'locked/extra.yml': encrypt('extra: from a vault\n', password, {}),
    });
    const passwords = [new Secret('wrong'), new Secret('open sesame')];
    const { inventory, theirs } = await both(
      ['locked/hosts'],
      undefined,
      [`@${files.path('locked/extra.yml')}`],
      passwords,
    );
    const [one, two] = ['one', 'two'].map((name) => inventory.varsOf('v1').get(name)?.value);
    expect([one, two]).toEqual([expect.any(Secret), expect.any(Secret)]);
    expect([one, two].map(revealed)).toEqual(['hidden\n', 'ü']);
    expect(pythonJson(listInventory(inventory))).not.toMatch(/hidden|text|from a vault|"x"/);
    // Ansible shows what was in a vaulted file; of a !vault value both show the cipher text.
    const plain = new Set(['one', 'two']);
    const opened = unsealed(inventory);
    const mixed: Inventory = {
      ...opened,
      varsOf: (host) =>
        new Map(
          [...opened.varsOf(host)].map(([name, variable]) => [
            name,
            plain.has(name) ? inventory.varsOf(host).get(name)! : variable,
          ]),
        ),
    };
    expect(`${pythonJson(listInventory(mixed))}\n`).toBe(theirs('--list'));
  });

  it('3000 plain scalars of YAML have the same type and value', async () => {
    const random = chance(11);
    const scalars = Array.from({ length: 3000 }, () =>
      random
        .some(SCALAR_PARTS, 1 + random.below(4))
        .join('')
        .trim(),
    );
    const answers = askPython(ansiblePython!, SCALAR_SCRIPT, scalars) as ([string | number] | null)[];
    const theirs = answers.map((answer) => (typeof answer?.[0] === 'number' ? [`number ${answer[0]}`] : answer));
    const ours: ([string] | null)[] = [];
    for (const [index, scalar] of scalars.entries()) {
      const file = files.path('scalar.yml');
      writeFileSync(file, `k: ${scalar}\n`);
      const read = loadInventory(['h,'], { extraVars: [`@${file}`] });
      const value = await read.then((inventory) => inventory.varsOf('h').get('k')?.value).catch(() => undefined);
      const isNumber = typeof value === 'number' || typeof value === 'bigint';
      ours[index] =
        value === undefined
          ? null
          : [isNumber ? `number ${Number(value)}` : `${value === null ? 'null' : typeof value} ${value}`];
    }
    const pair = (answers: readonly unknown[]) => scalars.map((scalar, index) => [scalar, answers[index]]);
    expect(pair(ours)).toEqual(pair(theirs));
    expect(theirs.filter((answer) => answer !== null).length).toBeGreaterThan(2000);
  });

  it('1000 texts of -e hold the same pairs', async () => {
    const random = chance(5);
    const texts = Array.from({ length: 1000 }, () =>
      random.some(PAIR_PARTS, 1 + random.below(5)).join(random.pick([' ', '  ', '\n'])),
    );
    const theirs = askPython(ansiblePython!, PAIR_SCRIPT, texts);
    const ours = await Promise.all(
      texts.map(async (text) => {
        const inventory = await loadInventory(['h,'], { extraVars: [text] });
        return Object.fromEntries([...inventory.varsOf('h')].map(([name, { value }]) => [name, value]));
      }),
    );
    expect(ours).toEqual(theirs);
  });
});

function randomTree(random: Chance, root: string): Record<string, string> {
  const groups = ['ga', 'gb', 'gc'];
  const hosts = ['h1', 'h2', 'h3', 'h4'];
  const found: Record<string, string> = {};
  const vars = () =>
    Array.from(
      { length: 1 + random.below(2) },
      () => `v${random.below(4)}: ${random.pick(['1', 'x', 'yes', '[1, a]', '{a: 0x1F}', '1.10', "'q'"])}\n`,
    ).join('');
  const unique = (text: string) =>
    [
      ...new Map(
        text
          .trim()
          .split('\n')
          .map((line) => [line.split(':')[0], line]),
      ).values(),
    ]
      .join('\n')
      .concat('\n');
  for (const source of ['a/hosts', 'b/hosts', 'c/hosts']) {
    const lines = random.some(hosts, 2);
    for (const group of groups) {
      lines.push(`[${group}]`, ...random.some(hosts, random.below(3)));
      if (random.percent(40)) lines.push(`[${group}:vars]`, `v${random.below(4)}=${source}`);
      if (random.percent(20)) lines.push(`ansible_group_priority=${random.below(5)}`.replace(/^/, `[${group}:vars]\n`));
    }
    if (random.percent(40)) lines.push('[ga:children]', 'gc');
    found[`${root}/${source}`] = `${lines.join('\n')}\n`;
  }
  for (const place of ['a', 'b', 'c', 'play']) {
    for (const group of ['all', 'ungrouped', ...groups]) {
      const ending = random.pick(['', '.yml', '.yaml', '/x.yml', '/y/z', '.json']);
      if (random.percent(50)) {
        found[`${root}/${place}/group_vars/${group}${ending}`] = ending === '.json' ? '{"v1": "json"}' : unique(vars());
      }
    }
    for (const host of hosts) if (random.percent(30)) found[`${root}/${place}/host_vars/${host}`] = unique(vars());
  }
  return found;
}

const SCALAR_PARTS = [
  ...['0', '1', '7', '9', '00', '08', '.', '-', '+', '_', 'e', 'E', 'x', 'o', 'b', ':', '30', '60', 'a', 'y', 'n', ' '],
  ...['yes', 'No', 'on', '~', 'null', '.inf', '.nan', '2020', '-01', '-02', 'T', '12:00:00', 'Z', '+01:00', '.5'],
  ...['true', 'F', '0x1f', '1_0', '1e3', '1.5e+3', '<<', '='],
] as const;

const PAIR_PARTS = [
  ...[
    'a=1',
    'b="x y"',
    "c='q r'",
    'd=\\n',
    'e=\\u00e9',
    'h=a=b',
    'i=',
    'j={{ x }}',
    "k={{ 'a b' }}",
    'é=ü',
    'l="a\\"b"',
  ],
  ...['m=[1,2]', "n='it'", 'o="{{ p }}"', 'q=\\\\', 'r=1.10', 's=True', 't=$(id)', 'u=`id`'],
] as const;

const SCALAR_SCRIPT = `
import datetime, json, sys
from ansible.parsing.dataloader import DataLoader
loader = DataLoader()
answers = []
for scalar in json.load(sys.stdin):
    try: value = loader.load('k: ' + scalar + '\\n')['k']
    except Exception:
        answers.append(None)
        continue
    if isinstance(value, bool): text = 'boolean ' + str(value).lower()
    elif value is None: text = 'null null'
    elif isinstance(value, (int, float)): text = value
    elif isinstance(value, (datetime.date, datetime.datetime)): text = 'string ' + value.isoformat()
    elif isinstance(value, dict): text = 'object [object Object]'
    else: text = 'string ' + value
    answers.append([text])
print(json.dumps(answers).replace('[NaN]', '["number NaN"]').replace('[-Infinity]', '["number -Infinity"]').replace('[Infinity]', '["number Infinity"]'))
`;

const PAIR_SCRIPT = `
import json, sys
from ansible.parsing.splitter import parse_kv
print(json.dumps([parse_kv(text) for text in json.load(sys.stdin)]))
`;
