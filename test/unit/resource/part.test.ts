import { createHash, randomBytes } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copy } from '../../../src/resource/copy.ts';
import { keptBytes, readPart, restWithSums } from '../../../src/resource/part.ts';
import type { Change } from '../../../src/resource/resource.ts';
import { localShell } from '../connection/local-shell.ts';
import { onThisMachine } from './on-this-machine.ts';

const { at, look, apply } = onThisMachine();
const SIZE = 9 << 20;
const bytes = randomBytes(SIZE);
const sha256 = (of: Buffer) => createHash('sha256').update(of).digest('hex');

let made: string;
let source: string;
beforeAll(() => {
  made = mkdtempSync(join(tmpdir(), 'parts-'));
  source = join(made, 'big');
  writeFileSync(source, bytes);
});
afterAll(() => rmSync(made, { recursive: true, force: true }));

const sum = 'a'.repeat(64);

describe('what is left of a transfer that was cut', () => {
  it.each([
    ['', undefined],
    [`part 5 ${sum}`, { sizeBytes: 5, sum }],
    [`part  ${sum}`, undefined],
    ['part 5 ', undefined],
    ['sh: stat: not found', undefined],
  ])('is read from %j', (text, part) => {
    expect(readPart(text)).toEqual(part);
  });

  it.each([
    ['is kept where the file begins so', bytes.subarray(0, 70_000), 70_000],
    ['is kept where it is all of the file', bytes, SIZE],
    ['is dropped where the file begins otherwise', Buffer.from('something else'), 0],
    ['is dropped where it is longer than the file', Buffer.concat([bytes, bytes.subarray(0, 1)]), 0],
  ])('%s', (_, part, kept) => {
    const left = { sizeBytes: part.length, sum: sha256(part) };
    expect(keptBytes(left, { path: source, sizeBytes: SIZE })).toBe(kept);
  });
});

/** Begins to apply a change on a connection of its own, gives it so many bytes and no more, and cuts it once most have arrived. */
async function cutAfter(change: Change, part: string, { sentBytes, arrivedBytes }: Cut): Promise<void> {
  const shell = await localShell();
  const input = change.input!;
  async function* some() {
    let sent = 0;
    for await (const chunk of input.open()) {
      if (sent + chunk.length > sentBytes) await new Promise((resolve) => setTimeout(resolve, 60_000).unref());
      yield chunk;
      sent += chunk.length;
    }
  }
  const running = shell.run(`exec 2>&1\nset -e\n${change.apply}`, {
    input: { ...input, open: () => Readable.from(some()) },
  });
  running.catch(() => undefined);
  await expect.poll(() => statSync(part, { throwIfNoEntry: false })?.size).toBeGreaterThan(arrivedBytes);
  shell.close();
  await expect(running).rejects.toThrow();
  await new Promise((resolve) => setTimeout(resolve, 200));
}

interface Cut {
  sentBytes: number;
  arrivedBytes: number;
}

const place = (name: string) => {
  mkdirSync(at(name));
  return { path: at(`${name}/big`), part: at(`${name}/.big.etcd-play-part`), all: () => readdirSync(at(name)) };
};

describe('a big copy', () => {
  it('that was cut goes on where it stood, and never showed itself half', async () => {
    const { path, part, all } = place('cut');
    const wish = copy({ source, path, mode: 0o640 });
    await cutAfter((await look(wish))!, part, { sentBytes: 5 << 20, arrivedBytes: 4 << 20 });
    expect(all()).toEqual(['.big.etcd-play-part']);
    expect(statSync(part).mode & 0o777).toBe(0o600);
    const left = statSync(part).size;
    expect(left).toBeGreaterThan(4 << 20);
    const change = (await look(wish))!;
    expect(change.summary).toBe(`new file, 9437 kB, ${Math.round(left / 1000)} kB of it there already`);
    expect(change.input!.sizeBytes).toBe(SIZE - left + 65);
    expect((await apply(wish))?.code).toBe(0);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(all()).toEqual(['big']);
    expect(await look(wish)).toBeUndefined();
  });

  it('of which all was there but the name sends only its sum', async () => {
    const { path, part, all } = place('last-moment');
    writeFileSync(part, bytes, { mode: 0o600 });
    const wish = copy({ source, path, mode: 0o644 });
    expect((await look(wish))!.input!.sizeBytes).toBe(65);
    expect((await apply(wish))?.code).toBe(0);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(all()).toEqual(['big']);
  });

  it('is sent whole where what was left is of another file, or is a link to one', async () => {
    const { path, part, all } = place('other');
    const victim = at('victim');
    writeFileSync(victim, 'untouched');
    const wish = copy({ source, path, mode: 0o644 });
    writeFileSync(part, randomBytes(1000));
    expect((await apply(wish))?.code).toBe(0);
    rmSync(path);
    symlinkSync(victim, part);
    expect((await apply(wish))?.code).toBe(0);
    expect(lstatSync(path).isFile()).toBe(true);
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(all()).toEqual(['big']);
  });

  it('whose part was changed behind our back is refused, and sent whole the next time', async () => {
    const { path, part, all } = place('behind');
    writeFileSync(part, bytes.subarray(0, 1000), { mode: 0o600 });
    const wish = copy({ source, path, mode: 0o644 });
    const change = (await look(wish))!;
    writeFileSync(part, randomBytes(1000));
    const shell = await localShell();
    const { code, stdout } = await shell.run(`exec 2>&1\nset -e\n${change.apply}`, { input: change.input! });
    shell.close();
    expect(code).toBe(1);
    expect(stdout).toMatch(/it arrived damaged: sha256 [0-9a-f]{64}, wanted/);
    expect(all()).toEqual([]);
    expect((await apply(wish))?.code).toBe(0);
  });

  it('leaves the old file alone until the new one is whole', async () => {
    const { path, part } = place('old');
    writeFileSync(path, 'old');
    const wish = copy({ source, path, mode: 0o644 });
    await cutAfter((await look(wish))!, part, { sentBytes: 3 << 20, arrivedBytes: 1 << 20 });
    expect(readFileSync(path, 'utf8')).toBe('old');
    expect((await look(wish))?.summary).toMatch(/^content, 9437 kB, \d+ kB of it there already$/);
  });
});

describe('a copy so big that it is proven stretch by stretch', () => {
  const MIB = 1 << 20;
  const long = randomBytes(70 * MIB + 5);
  const from = () => join(made, 'long');
  beforeAll(() => writeFileSync(from(), long));

  it.each([0, 5, 40, 70])('arrives whole where %i MiB of it were there', async (mib) => {
    const { path, part, all } = place(`long-${mib}`);
    if (mib > 0) writeFileSync(part, long.subarray(0, mib * MIB), { mode: 0o600 });
    const wish = copy({ source: from(), path, mode: 0o600 });
    expect((await apply(wish))?.code).toBe(0);
    expect(readFileSync(path).equals(long)).toBe(true);
    expect(all()).toEqual(['big']);
  });

  it('goes on where it was cut', async () => {
    const { path, part, all } = place('long-cut');
    const wish = copy({ source: from(), path, mode: 0o600 });
    await cutAfter((await look(wish))!, part, { sentBytes: 45 * MIB, arrivedBytes: 33 * MIB });
    expect(statSync(part).size).toBeGreaterThan(32 * MIB);
    expect((await look(wish))!.input!.sizeBytes).toBeLessThan(long.length - 32 * MIB + 200);
    expect((await apply(wish))?.code).toBe(0);
    expect(readFileSync(path).equals(long)).toBe(true);
    expect(all()).toEqual(['big']);
  });

  it.each([1, 33, 69])('with a byte changed in its MiB %i is refused, and leaves nothing', async (mib) => {
    const { path, all } = place(`long-damaged-${mib}`);
    const change = (await look(copy({ source: from(), path, mode: 0o600 })))!;
    let at = 0;
    const damaged = change.input!.open().map((piece: Buffer) => {
      const wrong = mib * MIB + 100 - at;
      at += piece.length;
      if (wrong < 0 || wrong >= piece.length) return piece;
      const other = Buffer.from(piece);
      other[wrong]! ^= 1;
      return other;
    });
    const shell = await localShell();
    const input = { ...change.input!, open: () => damaged };
    const { code, stdout } = await shell.run(`exec 2>&1\nset -e\n${change.apply}`, { input });
    shell.close();
    expect([code, stdout]).toEqual([1, expect.stringContaining('it arrived damaged')]);
    expect(all()).toEqual([]);
  });
});

describe('a file that is changed while it is sent', () => {
  it.each([
    ['shorter', () => truncateSync(source, SIZE - 1)],
    ['other, and of the same size', () => utimesSync(source, 1, 1)],
  ])('is an error when it is %s', async (_, change) => {
    const stream = restWithSums({ path: source, sizeBytes: SIZE }, 0).open();
    const reading = (async () => {
      for await (const _chunk of stream) change();
    })();
    await expect(reading).rejects.toThrow('was changed while it was sent');
    writeFileSync(source, bytes);
  });
});
