import { describe, expect, it } from 'vitest';
import { cut, cutName, pad, textWidth, withoutColour } from '../../../src/screen/width.ts';
import { coloured } from '../../../src/screen/words.ts';

describe('the width of a text', () => {
  it.each([
    ['', 0],
    ['abc', 3],
    ['✔ · …', 5],
    ['主机一', 6],
    ['データ', 6],
    ['한글', 4],
    ['🚀', 2],
    ['👩‍👩‍👧', 2],
    ['✔️', 2],
    ['e\u0301', 1],
    ['a\u200bb', 2],
    ['ÄÖü', 3],
    ['⠦', 1],
    ['Ж', 1],
  ])('%s takes %d columns', (text, columns) => {
    expect(textWidth(text)).toBe(columns);
  });
});

describe('a text that is too wide', () => {
  it.each([
    ['abcdef', 6, 'abcdef'],
    ['abcdef', 5, 'abcd…'],
    ['abcdef', 1, '…'],
    ['abcdef', 0, ''],
    ['主机一二', 5, '主机…'],
    ['主机一二', 6, '主机…'],
    ['主机一二', 8, '主机一二'],
  ])('%s in %d columns is %s', (text, columns, shown) => {
    expect(cut(text, columns)).toBe(shown);
    expect(textWidth(cut(text, columns))).toBeLessThanOrEqual(columns);
  });

  it.each([
    ['web-production-017', 18, 'web-production-017'],
    ['web-production-017', 11, 'web-p…n-017'],
    ['web-production-017', 2, 'w…'],
    ['主机一二三四', 7, '主机…四'],
  ])('keeps both ends where it is a name: %s in %d columns is %s', (name, columns, shown) => {
    expect(cutName(name, columns)).toBe(shown);
    expect(textWidth(shown)).toBeLessThanOrEqual(columns);
  });
});

describe('columns', () => {
  it('are filled up by what is seen', () => {
    expect(pad('主', 4)).toBe('主  ');
    expect(pad('long', 2)).toBe('long');
    expect(withoutColour(coloured('red', 'x'))).toBe('x');
  });
});
