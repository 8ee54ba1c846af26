import { expect, it } from 'vitest';
import { markText, parseMark } from '../../../../src/etcd/restore/mark.ts';

const mark = { stamp: '20261121T101500Z', members: 3, revision: 90n };

it.each(['etcd_orders_20260801T030000Z_r90.db', "it's a copy of änderungen\n2%.db"])(
  'reads what it has written of %s',
  (file) => {
    const text = markText({ ...mark, file });
    expect(text).not.toMatch(/['\n]/);
    expect(parseMark(text)).toEqual({ ...mark, file });
  },
);

it('names the file without its folder', () => {
  expect(parseMark(markText({ ...mark, file: '/backups/a.db' }))?.file).toBe('a.db');
});

it.each([
  '',
  '20261121T101500Z 3',
  '20261121T101500Z three 90 a.db',
  'yesterday 3 90 a.db',
  '20261121T101500Z 3 90 %E0%A4%A',
])('takes "%s" for nothing', (line) => {
  expect(parseMark(line)).toBeUndefined();
});
