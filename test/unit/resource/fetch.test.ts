import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/connection/connection.ts';
import { type FetchWish, fetchFile, lookAtSource } from '../../../src/resource/fetch.ts';
import { localShell } from '../connection/local-shell.ts';

let folder: string;
let shell: Connection;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fetch-'));
  shell = await localShell();
});
afterAll(() => {
  shell.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A file on the host and a place for it here. */
function place(name: string, bytes: Buffer | string = randomBytes(5_000_000)) {
  const path = join(folder, `${name}'s source`);
  writeFileSync(path, bytes);
  const here = join(folder, name);
  const wish: FetchWish = { path, dest: join(here, 'file') };
  const part = join(here, '.file.etcd-play-part');
  return { path, here, part, wish, bytes: readFileSync(path), all: () => readdirSync(here) };
}

const fetch = async (wish: FetchWish, connection = shell, onProgress?: (done: number) => void) => {
  const found = (await lookAtSource(connection, wish))!;
  await fetchFile(connection, wish, found, onProgress);
  return found;
};

describe('a fetched file', () => {
  it.each([0, 1, 5_000_000])('is the same to the byte, and closed to others: %i bytes', async (size) => {
    const { wish, bytes, all } = place(`whole-${size}`, randomBytes(size));
    const seen: number[] = [];
    expect(await fetch(wish, shell, (done) => void seen.push(done))).toEqual({
      sizeBytes: size,
      isHere: false,
      keptBytes: 0,
    });
    expect(readFileSync(wish.dest).equals(bytes)).toBe(true);
    expect(statSync(wish.dest).mode & 0o777).toBe(0o600);
    expect(seen.at(-1) ?? 0).toBe(size);
    expect(all()).toEqual(['file']);
    expect(await lookAtSource(shell, wish)).toMatchObject({ isHere: true });
  });

  it('takes the place of another of the same size, with the mode that was asked for', async () => {
    const { wish, bytes } = place('other');
    mkdirSync(join(folder, 'other'));
    writeFileSync(wish.dest, randomBytes(bytes.length));
    expect(await fetch({ ...wish, mode: 0o644 })).toMatchObject({ isHere: false });
    expect(readFileSync(wish.dest).equals(bytes)).toBe(true);
    expect(statSync(wish.dest).mode & 0o777).toBe(0o644);
  });

  it('that was cut goes on where it stood, and never showed itself half', async () => {
    const { wish, bytes, all, part } = place('cut', randomBytes(100_000_000));
    const own = await localShell();
    const found = (await lookAtSource(own, wish))!;
    const cut = fetchFile(own, wish, found, (done) => done > 10_000_000 && own.close());
    await expect(cut).rejects.toMatchObject({ host: 'here' });
    expect(all()).toEqual(['.file.etcd-play-part']);
    const left = statSync(part).size;
    expect(left).toBeGreaterThan(1_000_000);
    expect(await fetch(wish)).toEqual({ sizeBytes: bytes.length, isHere: false, keptBytes: left });
    expect(readFileSync(wish.dest).equals(bytes)).toBe(true);
    expect(all()).toEqual(['file']);
  });

  it.each([
    ['of another file', () => randomBytes(1000)],
    ['longer than the file', () => randomBytes(6_000_000)],
  ])('is fetched whole where what was left is %s', async (name, left) => {
    const { wish, bytes, part, here } = place(name);
    mkdirSync(here);
    writeFileSync(part, left());
    expect(await fetch(wish)).toMatchObject({ keptBytes: 0 });
    expect(readFileSync(wish.dest).equals(bytes)).toBe(true);
  });

  it('does not write through a link that lies where its part would', async () => {
    const { wish, part, here, all } = place('link');
    mkdirSync(here);
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'untouched');
    symlinkSync(victim, part);
    await fetch(wish);
    expect(readFileSync(victim, 'utf8')).toBe('untouched');
    expect(all()).toEqual(['file']);
  });

  it('is as long as it was when it was looked at, where it grows', async () => {
    const { wish, bytes, path } = place('log');
    const found = (await lookAtSource(shell, wish))!;
    appendFileSync(path, 'one more line');
    await fetchFile(shell, wish, found);
    expect(readFileSync(wish.dest).equals(bytes)).toBe(true);
  });

  it('is refused where it became shorter meanwhile, and the old one stays', async () => {
    const { wish, path, here, all } = place('shorter');
    mkdirSync(here);
    writeFileSync(wish.dest, 'old');
    const found = (await lookAtSource(shell, wish))!;
    writeFileSync(path, 'short');
    await expect(fetchFile(shell, wish, found)).rejects.toThrow('was changed while it was fetched');
    expect(readFileSync(wish.dest, 'utf8')).toBe('old');
    expect(all()).toEqual(['file']);
  });
});

describe('a source', () => {
  it('that is not there is undefined', async () => {
    expect(await lookAtSource(shell, { path: join(folder, 'none'), dest: join(folder, 'x') })).toBeUndefined();
  });

  it.each([
    ['a directory', '/etc', 'is no regular file'],
    ['a device', '/dev/null', 'is no regular file'],
  ])('that is %s is an error', async (_, path, words) => {
    await expect(lookAtSource(shell, { path, dest: join(folder, 'x') })).rejects.toThrow(words);
  });
});
