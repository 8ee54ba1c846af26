import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { hiddenNames, hiddenScript } from '../../../../src/etcd/v2/hidden.ts';

const folder = mkdtempSync(join(tmpdir(), 'hidden-'));
afterAll(() => rmSync(folder, { recursive: true }));

it.each([
  ['', []],
  ['/1/_a', ['/_a']],
  ['/1/a/_b/c\n/1/a/_b/d', ['/a/_b']],
  ['/1/_a/x/_b/y', ['/_a', '/_a/x/_b']],
  ['/1/a_b/c', []],
  ['/1/_a\\u003cb', ['/_a<b', '/_a\\u003cb']],
])('%j names %j', (printed, names) => {
  expect(hiddenNames(printed)).toEqual(names);
});

it('names are found in a log and in a snapshot, among other bytes', () => {
  const log = Buffer.concat([
    Buffer.from([0x1a, 3]),
    Buffer.from('PUT'),
    Buffer.from([0x1a, 12]),
    Buffer.from('/1/d/_hidden"value'),
    Buffer.alloc(4096),
    Buffer.from('/1/ünder/_sö"x'),
    Buffer.alloc(100_000),
  ]);
  writeFileSync(join(folder, '0-0.wal'), log);
  writeFileSync(join(folder, '1.snap'), '{"Children":{"_s":{"Path":"/1/_s","Children":{}}},"x":{"Path":"/1/plain"}}');
  const printed = execFileSync('sh', ['-c', hiddenScript(folder, folder)], { encoding: 'utf8' });
  expect(hiddenNames(printed)).toEqual(['/_s', '/d/_hidden', '/ünder/_sö']);
});
