import { describe, expect, it } from 'vitest';
import { parseLiteral, UnhashableKey } from '../../../src/inventory/literal.ts';

describe('a Python literal', () => {
  it.each<[string, string, unknown]>([
    ['1', 'int', 1],
    ['-0', 'int', 0],
    ['1_000', 'int', 1000],
    ['0o17 # c', 'int', 15],
    ['1.10', 'float', 1.1],
    ['1e400', 'float', Number.POSITIVE_INFINITY],
    ['True', 'bool', true],
    ['None', 'none', null],
    ['\'a\' "b"', 'text', 'ab'],
    ["r'\\n'", 'text', '\\n'],
    ["'\\x41\\u00e9\\q'", 'text', 'Aé\\q'],
    ["b'\\xc3\\xa9'", 'bytes', 'é'],
    ['[1, [2,],]', 'list', [1, [2]]],
    ['1,2', 'tuple', [1, 2]],
    ['()', 'tuple', []],
    ["{1, True, 'a'}", 'set', [1, 'a']],
    ["{'a': 1, 2: None, (1, 2): [], 1.0: {}}", 'dict', { a: 1, 2: null, '[1,2]': [], '1.0': {} }],
  ])('%s is a %s: %j', (text, kind, value) => {
    expect(parseLiteral(text)).toMatchObject({ kind, value });
  });

  it('keeps all digits of an integer', () => {
    expect(parseLiteral('-99999999999999999999')?.value).toBe(-99999999999999999999n);
  });

  it.each([
    '',
    'a',
    'true',
    '0644',
    '1.2.3',
    '--1',
    '-True',
    '1+2',
    '[1',
    '[,]',
    "'a",
    "f'a'",
    "'a' b'b'",
    '1j',
    '...',
    '(1 # c)',
    '１',
  ])('is not what %j is', (text) => {
    expect(parseLiteral(text)).toBeUndefined();
  });

  it.each(['{[1]}', '{{1}}', '{[1]: 2}', '{([1],): 2}'])(
    'with a key that Python cannot take is refused: %s',
    (text) => {
      expect(() => parseLiteral(text)).toThrow(UnhashableKey);
    },
  );
});
