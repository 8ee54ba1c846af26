import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Connection } from '../../../../src/connection/connection.ts';
import { copyData, type DataFile, differences, sameLogs, sizeOf } from '../../../../src/etcd/live/data-copy.ts';
import { asidePlace, type DataPlace } from '../../../../src/etcd/live/data-places.ts';
import { observeScript, parseFacts } from '../../../../src/etcd/observe.ts';
import { localShell } from '../../connection/local-shell.ts';

const MIB = 1024 * 1024;
const BLOCK = 8 * MIB;
let [here, there]: Connection[] = [];
let folder = '';
beforeAll(async () => {
  [here, there] = await Promise.all([localShell(), localShell()]);
});
afterAll(() => {
  here?.close();
  there?.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'data copy-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (...names: string[]) => join(folder, ...names);
function put(path: string, content: Buffer | string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
const sum = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** What a member of etcd leaves: a database, snapshots, a log that is mostly zeros. */
function memberAt({ member, wal = `${member}/wal` }: DataPlace): void {
  put(join(member, 'snap/db'), randomBytes(20 * MIB));
  put(join(member, 'snap/0000000000000002-0000000000000005.snap'), 'a snapshot');
  put(join(member, 'snap/empty.snap.db'), '');
  put(join(wal, '0000000000000000-0000000000000000.wal'), Buffer.concat([randomBytes(MIB), Buffer.alloc(17 * MIB)]));
  put(join(wal, '0.tmp'), 'space laid by');
}

const run = (from: DataPlace, to: DataPlace, proven = true) =>
  copyData(
    { connection: here!, place: from },
    { connection: there!, place: to },
    { proven, signal: new AbortController().signal, onProgress: () => undefined },
  );

const one: DataPlace = { member: '', wal: undefined };
const layouts = [
  [
    'in one directory',
    () => [
      { ...one, member: at('a/member') },
      { ...one, member: at('b/member') },
    ],
  ],
  [
    'with a log of its own',
    () => [
      { member: at('a/member'), wal: at('w/wal') },
      { member: at('b/member'), wal: at('x') },
    ],
  ],
  [
    'to where the log has its own',
    () => [
      { ...one, member: at('a/member') },
      { member: at('b/member'), wal: at('x') },
    ],
  ],
  [
    'to where the log has none',
    () => [
      { member: at('a/member'), wal: at('w') },
      { ...one, member: at('b/member') },
    ],
  ],
] as const;

describe('a copy of real data, through real shells', () => {
  it.each(layouts)('is the same, %s', async (_, places) => {
    const [from, to] = places() as [DataPlace, DataPlace];
    memberAt(from);
    const { totalBytes, sentBytes, files } = await run(from, to);
    expect({ totalBytes, files }).toEqual({ totalBytes: 38 * MIB + 10, files: 4 });
    // Zeros need not be sent.
    expect(sentBytes).toBe(20 * MIB + 10 + BLOCK);
    const walOf = ({ member, wal }: DataPlace) => wal ?? `${member}/wal`;
    expect(readdirSync(walOf(to))).toEqual(['0000000000000000-0000000000000000.wal']);
    for (const file of ['snap/db', 'snap/0000000000000002-0000000000000005.snap', 'snap/empty.snap.db']) {
      expect(sum(join(to.member, file))).toBe(sum(join(from.member, file)));
    }
    const log = '0000000000000000-0000000000000000.wal';
    expect(sum(join(walOf(to), log))).toBe(sum(join(walOf(from), log)));
    expect(statSync(join(to.member, 'snap/db')).mode & 0o777).toBe(0o600);
    const [a, b] = [
      { connection: here!, place: from },
      { connection: there!, place: to },
    ];
    expect(await sameLogs(a, b)).toBe(true);
    expect(await sizeOf(b)).toEqual({ dataBytes: 20 * MIB + 10, walBytes: 18 * MIB });
  });

  it('sends only what differs, and takes away what the source has no more', async () => {
    const [from, to] = layouts[0][1]() as [DataPlace, DataPlace];
    memberAt(from);
    await run(from, to, false);
    const db = readFileSync(join(from.member, 'snap/db'));
    db[BLOCK + 5]! ^= 1;
    writeFileSync(join(from.member, 'snap/db'), db.subarray(0, 18 * MIB));
    put(join(to.member, 'wal/0000000000000001-0000000000000009.wal'), 'of a time that was undone');
    const { sentBytes } = await run(from, to);
    expect(sentBytes).toBe(BLOCK + 2 * MIB);
    expect(sum(join(to.member, 'snap/db'))).toBe(sum(join(from.member, 'snap/db')));
    expect(existsSync(join(to.member, 'wal/0000000000000001-0000000000000009.wal'))).toBe(false);
    expect((await run(from, to)).sentBytes).toBe(0);
  });

  it('puts right a copy with a byte that is wrong, and tells logs apart by a byte', async () => {
    const [from, to] = layouts[0][1]() as [DataPlace, DataPlace];
    memberAt(from);
    await run(from, to);
    const log = join(to.member, 'wal/0000000000000000-0000000000000000.wal');
    const bytes = readFileSync(log);
    bytes[9 * MIB] = 1;
    writeFileSync(log, bytes);
    const ends = [from, to].map((place) => ({ connection: here!, place })) as [never, never];
    expect(await sameLogs(...ends)).toBe(false);
    expect((await run(from, to)).sentBytes).toBe(BLOCK);
    expect(await sameLogs(...ends)).toBe(true);
  });

  it('is refused where there is no log', async () => {
    put(at('a/member/snap/db'), 'x');
    await expect(run({ ...one, member: at('a/member') }, { ...one, member: at('b/member') })).rejects.toThrow(
      /there is no write-ahead log in .*a\/member\/wal/,
    );
  });

  it('is ended when the run is', async () => {
    const [from, to] = layouts[0][1]() as [DataPlace, DataPlace];
    memberAt(from);
    const stop = new AbortController();
    const ends = [
      { connection: here!, place: from },
      { connection: there!, place: to },
    ] as const;
    const copying = copyData(...ends, { proven: true, signal: stop.signal, onProgress: () => stop.abort() });
    await expect(copying).rejects.toThrow('the run was ended before all was copied');
    // The first file of all is there.
    expect((await run(from, to)).sentBytes).toBe(20 * MIB + BLOCK);
  });
});

const zeros = (bytes: number) => createHash('sha256').update(Buffer.alloc(bytes)).digest('hex');
const file = (sizeBytes: number, ...sums: string[]): DataFile => ({ path: 'snap/db', sizeBytes, sums });

describe('what is to be sent', () => {
  it.each([
    ['all of a new file', file(BLOCK + 1, 'a', 'b'), [], [0, 1]],
    ['no zeros of a new file', file(BLOCK + 1, zeros(BLOCK), 'b'), [], [1]],
    ['nothing that is the same', file(BLOCK + 1, 'a', 'b'), [file(BLOCK + 1, 'a', 'b')], []],
    ['a block that differs', file(2 * BLOCK, 'a', 'b'), [file(2 * BLOCK, 'a', 'c')], [1]],
    ['a last block that grew', file(2 * BLOCK, 'a', 'b'), [file(BLOCK + 5, 'a', 'b')], [1]],
    ['a last block that shrank', file(BLOCK + 5, 'a', 'c'), [file(2 * BLOCK, 'a', 'b')], [1]],
    ['zeros where there was something else', file(BLOCK, zeros(BLOCK)), [file(BLOCK, 'a')], [0]],
    ['no zeros beyond the old end', file(2 * BLOCK, 'a', zeros(BLOCK)), [file(BLOCK, 'a')], []],
    ['nothing of an empty file', file(0), [], []],
  ])('%s', (_, source, there2, blocks) => {
    expect(differences([source], there2).map(({ index }) => index)).toEqual(blocks);
  });
});

describe('a host that is looked at on the way', () => {
  it.each([
    [
      'data that are held',
      ['moving-8e9e05c52164694d/member/wal/1.wal'],
      undefined,
      { moving: [{ id: '8e9e05c52164694d', held: true }] },
    ],
    ['a note alone', ['moving-a1/x'], undefined, { moving: [{ id: 'a1', held: false }] }],
    ['data held but for their log', ['moving-a1/member/snap/db'], 'own/wal', { moving: [{ id: 'a1', held: false }] }],
    [
      'a first copy',
      ['arriving-a1/member/snap/db', 'arriving-a1/ahead'],
      undefined,
      { arriving: [{ id: 'a1', ahead: true }] },
    ],
    ['a copy that was cut off', ['arriving-a1/member/snap/db'], undefined, { arriving: [{ id: 'a1', ahead: false }] }],
  ])('tells of %s', async (_, files, wal, moves) => {
    for (const name of files) put(at('data', name), '');
    const walDir = wal && at(wal);
    const request = {
      dataDir: at('data'),
      walDir,
      confFile: at('c'),
      caFile: at('ca'),
      releaseDir: at('r'),
      binary: at('e'),
    };
    const { stdout } = await here!.run(observeScript(request));
    const facts = parseFacts(stdout);
    expect(facts.moves).toEqual({ moving: [], arriving: [], ...moves });
    expect(facts.data).toMatchObject({ kind: 'none', walFiles: 0 });
    const aside = asidePlace({ dataDir: at('data'), ...(walDir && { walDir }) }, 'moving', 'a1');
    expect(aside).toEqual({ member: at('data/moving-a1/member'), wal: walDir && `${walDir}.moving-a1` });
  });
});
