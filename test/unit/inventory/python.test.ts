import { describe, expect, it } from 'vitest';
import { parseLiteral, UnhashableKey } from '../../../src/inventory/literal.ts';
import { SplitError, splitWords } from '../../../src/inventory/split.ts';
import { askPython, orAbsent, python } from './ansible.ts';
import { type Chance, chance } from './random.ts';

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
