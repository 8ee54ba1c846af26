import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { LiveArea } from '../../../src/screen/live-area.ts';

it('draws as in a window of the usual size where the terminal says that it has none', () => {
  const out = Object.assign(new PassThrough(), { columns: 0, rows: 0 });
  const area = new LiveArea(out);
  area.draw(['one', 'two']);
  area.release(['one', 'three']);
  expect([area.columns, area.room]).toEqual([80, 22]);
  const written = String(out.read());
  expect(written).toContain('\u001b[2A');
  expect(written).not.toContain('Infinity');
});
