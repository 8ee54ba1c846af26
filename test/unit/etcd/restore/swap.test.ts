import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RestorePlaces } from '../../../../src/etcd/restore/places.ts';
import { swapBackLines, swapInLines } from '../../../../src/etcd/restore/swap.ts';
import type { EtcdSettings } from '../../../../src/etcd/variables.ts';

const STAMP = '20261121T101500Z';
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'a swap-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Layout {
  walDir?: string;
  isMount: boolean;
  isNew?: boolean;
}

const LAYOUTS: [string, Layout][] = [
  ['a plain directory', { isMount: false }],
  ['a mount point', { isMount: true }],
  ['a plain directory, and a log of its own', { isMount: false, walDir: 'fast/wal' }],
  ['a mount point, and a log of its own', { isMount: true, walDir: 'fast/wal' }],
  ['a mount point with the log inside', { isMount: true, walDir: 'data/logs/wal' }],
  ['a plain directory on a new host', { isMount: false, isNew: true }],
  ['a mount point on a new host, and a log of its own', { isMount: true, walDir: 'fast/wal', isNew: true }],
];

const at = (path: string) => join(folder, path);
function put(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** What lies there: old data and restored ones, as etcd and its tool leave them, and things that are nobody's business. */
function laid({ walDir, isMount, isNew = false }: Layout): RestorePlaces {
  rmSync(folder, { recursive: true, force: true });
  const settings = { dataDir: at('data'), ...(walDir && { walDir: at(walDir) }) } as EtcdSettings;
  const places = new RestorePlaces(settings, STAMP, isMount);
  const member = (content: string, dataDir: string, wal: string | undefined) => {
    put(join(dataDir, 'member/snap/db'), content);
    put(join(wal ?? join(dataDir, 'member/wal'), '0.wal'), content);
  };
  mkdirSync(at('data'), { recursive: true });
  if (walDir) mkdirSync(dirname(at(walDir)), { recursive: true });
  if (isMount) put(at('data/lost+found/x'), 'x');
  if (!isNew) member('old', at('data'), walDir && at(walDir));
  member('restored', places.dataDir, places.walDir);
  return places;
}

/** Each line by itself, as far as it came: the run is killed behind the last of them. */
function run(lines: readonly string[]): void {
  execFileSync('sh', ['-c', [...lines, ':'].join('\n')], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** All files by their paths. */
const files = () =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .sort()
    .map((path) => `${path.slice(folder.length + 1)} ${readFileSync(path, 'utf8')}`);
const inUse = () => files().filter((line) => !/(bak|failed|restore)-/.test(line));
const logOf = ({ walDir }: Layout) => join(at(walDir ?? 'data/member/wal'), '0.wal');
const textOf = (path: string) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);
const all = (places: RestorePlaces, name: string) => places.parts.flatMap((part) => part.folder(`${name}-${STAMP}`));

describe.each(LAYOUTS)('%s', (_, layout) => {
  it('the restored data take the place of the old ones, which are kept', () => {
    const before = laid(layout) && inUse();
    const places = laid(layout);
    run(swapInLines(places));
    expect(inUse()).toEqual(
      expect.arrayContaining(layout.isNew ? [] : before.map((l) => l.replace(' old', ' restored'))),
    );
    expect(files().filter((line) => line.endsWith(' restored'))).toHaveLength(2);
    expect(inUse().filter((line) => line.endsWith(' restored'))).toHaveLength(2);
    for (const path of all(places, 'restore')) expect(existsSync(path)).toBe(false);
    const old = files().filter((line) => line.endsWith(' old'));
    expect(old).toHaveLength(layout.isNew ? 0 : 2);
    for (const line of old) expect(line).toContain(`bak-${STAMP}`);
    // Nothing was there to be kept: nothing is made for it.
    if (layout.isNew) for (const path of all(places, 'bak')) expect(existsSync(path)).toBe(false);
    else for (const path of all(places, 'bak')) expect(existsSync(path)).toBe(true);
  });

  it('never are there data and log of two kinds, wherever it is cut off', () => {
    const lines = swapInLines(laid(layout));
    for (let done = 0; done <= lines.length; done++) {
      laid(layout);
      run(lines.slice(0, done));
      const log = textOf(logOf(layout));
      // Without a log there is no member.
      if (log !== undefined) expect(textOf(at('data/member/snap/db'))).toBe(log);
    }
  });

  it('all goes back, wherever the swap was cut off and the way back too', () => {
    const places = laid(layout);
    const before = inUse();
    const [there, back] = [swapInLines(places), swapBackLines(places)];
    for (let done = 0; done <= there.length; done++) {
      const cuts = done === there.length ? back.map((_, at) => at) : [0, 2];
      for (const cut of cuts) {
        laid(layout);
        const [log, data] = [logOf(layout), at('data/member/snap/db')];
        const isOne = `[ ! -e '${log}' ] || cmp -s '${log}' '${data}' || exit 9`;
        run([...there.slice(0, done), ...back.slice(0, cut), isOne, ...back]);
        expect(inUse()).toEqual(before);
        expect(files().filter((line) => line.includes('bak-'))).toEqual([]);
        for (const path of all(places, 'bak')) expect(existsSync(path)).toBe(false);
        // Nothing of what was restored is lost: it lies beside still, or is kept for who wants to know why.
        expect(files().filter((line) => line.endsWith(' restored'))).toHaveLength(2);
      }
    }
  });
});
