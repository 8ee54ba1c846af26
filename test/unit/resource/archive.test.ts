import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
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
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ARCHIVE_MARK, archive, type DesiredArchive, diffArchive } from '../../../src/resource/archive.ts';
import { localShell } from '../connection/local-shell.ts';
import { onThisMachine } from './on-this-machine.ts';

const { at, look, apply } = onThisMachine();

const wish: DesiredArchive = { source: '/x.tar.gz', sizeBytes: 20_400_000, sha256: 'a'.repeat(64), dest: '/opt/x' };

describe('the difference of an archive', () => {
  it.each([
    ['is nothing where it was unpacked from the same archive', 'a'.repeat(64), undefined],
    ['is all of it where nothing was unpacked', '', '20 MB sent and unpacked'],
    ['is told where it was unpacked from another', 'b'.repeat(64), 'another archive of the same name'],
  ])('%s', (_, unpackedFrom, summary) => {
    expect(diffArchive(unpackedFrom, wish)?.summary).toBe(summary);
  });
});

let made: string;
/** Packs a top directory with an executable and a large file, as etcd's releases are packed. */
function pack(name: string, content: string, size = 3_000_000): ReturnType<typeof wishOf> {
  const top = join(made, name);
  mkdirSync(join(top, 'docs'), { recursive: true });
  writeFileSync(join(top, 'tool'), content, { mode: 0o755 });
  writeFileSync(join(top, 'docs', 'large'), randomBytes(size), { mode: 0o600 });
  execFileSync('tar', ['--owner=4711', '--group=4711', '-czf', `${top}.tar.gz`, '-C', made, name]);
  return wishOf(`${top}.tar.gz`);
}

function wishOf(source: string) {
  const bytes = readFileSync(source);
  return { source, sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

let one: ReturnType<typeof pack>;
let two: ReturnType<typeof pack>;
beforeAll(() => {
  made = mkdtempSync(join(tmpdir(), 'archives-'));
  one = pack('one', 'version one');
  two = pack('two', 'version two');
});
afterAll(() => rmSync(made, { recursive: true, force: true }));

/** A place of its own for each test: what stands beside it afterwards matters too. */
const place = (name: string) => {
  mkdirSync(at(name));
  return at(`${name}/v1`);
};
const content = (dest: string) => readFileSync(join(dest, 'tool'), 'utf8');
const beside = (dest: string) => readdirSync(dirname(dest));

describe('an archive on a host', () => {
  it('is unpacked without its top directory, for root, readable by all and writable by none of them', async () => {
    const dest = place('fresh');
    const resource = archive({ ...one, dest });
    expect((await apply(resource))?.code).toBe(0);
    expect(content(dest)).toBe('version one');
    expect(statSync(join(dest, 'tool')).mode & 0o777).toBe(0o755);
    expect(statSync(join(dest, 'docs/large')).mode & 0o777).toBe(0o644);
    expect(statSync(join(dest, 'tool')).uid).toBe(0);
    expect(beside(dest)).toEqual(['v1']);
    expect(await look(resource)).toBeUndefined();
  });

  it('tells how far it is on its way', async () => {
    const told: number[] = [];
    await apply(archive({ ...one, dest: place('told'), onProgress: (done) => told.push(done) }));
    expect(told.at(-1)).toBe(one.sizeBytes);
    expect(told).toEqual([...told].sort((a, b) => a - b));
  });

  it('takes the place of another as a whole', async () => {
    const dest = place('switch');
    await apply(archive({ ...one, dest }));
    writeFileSync(join(dest, 'stray'), '');
    await apply(archive({ ...two, dest }));
    expect(content(dest)).toBe('version two');
    expect(readdirSync(dest).sort()).toEqual([ARCHIVE_MARK, 'docs', 'tool']);
    expect(beside(dest)).toEqual(['v1']);
  });

  it('that was unpacked by hand has no mark, and is replaced', async () => {
    const dest = place('by-hand');
    mkdirSync(dest);
    writeFileSync(join(dest, 'tool'), 'by hand');
    await apply(archive({ ...one, dest }));
    expect(content(dest)).toBe('version one');
  });

  it('takes no notice of what interrupted runs left beside it, and removes it', async () => {
    const dest = place('leftovers');
    mkdirSync(join(dirname(dest), '.v1.etcd-play-new/new'), { recursive: true });
    writeFileSync(join(dirname(dest), '.v1.etcd-play-new/new/half'), '');
    mkdirSync(join(dirname(dest), '.v1.etcd-play-old'));
    await apply(archive({ ...one, dest }));
    expect(beside(dest)).toEqual(['v1']);
    expect(readdirSync(dest)).not.toContain('half');
  });

  it('may go to a place with a blank and a quote in its name', async () => {
    const dest = place("it's here");
    expect((await apply(archive({ ...one, dest })))?.code).toBe(0);
    expect(content(dest)).toBe('version one');
  });
});

describe('an archive that does not arrive well', () => {
  /** With one byte in the middle turned over, and the sum of the whole one. */
  function damaged() {
    const bytes = readFileSync(one.source);
    const middle = bytes.length >> 1;
    bytes[middle] = bytes[middle]! ^ 0xff;
    writeFileSync(join(made, 'damaged.tar.gz'), bytes);
    return { ...one, source: join(made, 'damaged.tar.gz') };
  }
  function noArchive() {
    writeFileSync(join(made, 'text.tar.gz'), 'this is no archive'.repeat(50_000));
    return wishOf(join(made, 'text.tar.gz'));
  }
  const cases: [string, () => Omit<DesiredArchive, 'dest'>, RegExp][] = [
    ['damaged on its way', damaged, /the archive arrived damaged: sha256 [0-9a-f]{64}, wanted/],
    ['whole but no archive', noArchive, /not in gzip format/],
  ];

  it.each(cases)(
    'because it is %s is refused, and nothing is there that was not before',
    async (title, make, words) => {
      const dest = place(`refused, ${title}`);
      const answer = await apply(archive({ ...make(), dest }));
      expect(answer?.code).not.toBe(0);
      expect(answer?.output).toMatch(words);
      expect(beside(dest)).toEqual([]);
    },
  );

  it.each(cases)('because it is %s leaves the one that is there as it is', async (title, make) => {
    const dest = place(`kept, ${title}`);
    await apply(archive({ ...two, dest }));
    await apply(archive({ ...make(), dest }));
    expect(content(dest)).toBe('version two');
    expect(beside(dest)).toEqual(['v1']);
  });

  it.each([0, 1_000, 1_000_000])('because the sender is killed after %i bytes never half appears', async (bytes) => {
    const dest = place(`cut after ${bytes}`);
    const shell = await localShell();
    const change = diffArchive('', { ...one, dest })!;
    const head = readFileSync(one.source).subarray(0, bytes);
    let poured = () => {};
    const sent = new Promise<void>((resolve) => {
      poured = resolve;
    });
    async function* source() {
      yield head;
      poured();
      await new Promise(() => {});
    }
    const running = shell.run(`exec 2>&1\nset -e\n${change.apply}`, {
      input: { sizeBytes: one.sizeBytes, open: () => Readable.from(source()) },
    });
    running.catch(() => undefined);
    await sent;
    expect(existsSync(dest)).toBe(false);
    shell.close();
    await expect(running).rejects.toThrow();
    expect(existsSync(dest)).toBe(false);
    expect((await apply(archive({ ...one, dest })))?.code).toBe(0);
    expect(beside(dest)).toEqual(['v1']);
  });

  it('when it is big goes on where it was cut, and leaves nothing beside it in the end', async () => {
    const dest = place('big');
    const big = pack('big', 'version big', 10_000_000);
    const resource = archive({ ...big, dest });
    const change = (await look(resource))!;
    const shell = await localShell();
    async function* source() {
      yield readFileSync(big.source).subarray(0, 6 << 20);
      await new Promise(() => {});
    }
    const running = shell.run(`exec 2>&1\nset -e\n${change.apply}`, {
      input: { sizeBytes: big.sizeBytes, open: () => Readable.from(source()) },
    });
    running.catch(() => undefined);
    const part = join(dirname(dest), '.v1.etcd-play-part');
    await expect.poll(() => existsSync(part) && statSync(part).size, { timeout: 5_000 }).toBeGreaterThan(6_000_000);
    shell.close();
    await expect(running).rejects.toThrow();
    expect(existsSync(dest)).toBe(false);
    expect(statSync(part).mode & 0o077).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const left = statSync(part).size;
    const rest = (await look(resource))!;
    expect(rest.summary).toBe('10 MB sent and unpacked, 6 MB of it there already');
    expect(rest.input!.sizeBytes).toBe(big.sizeBytes - left);
    expect((await apply(resource))?.code).toBe(0);
    expect(content(dest)).toBe('version big');
    expect(beside(dest)).toEqual(['v1']);
    expect(await look(resource)).toBeUndefined();
  });

  it('when it is big and damaged leaves nothing to go on with', async () => {
    const dest = place('big-damaged');
    const big = pack('other', 'version big', 10_000_000);
    const answer = await apply(archive({ ...big, sha256: 'a'.repeat(64), dest }));
    expect(answer?.output).toContain('arrived damaged');
    expect(beside(dest)).toEqual([]);
  });

  it('does not write through a link that someone laid in the place of its temporary name', async () => {
    const dest = place('trap');
    mkdirSync(at('victim'));
    writeFileSync(at('victim/f'), '');
    symlinkSync(at('victim'), join(dirname(dest), '.v1.etcd-play-new'));
    await apply(archive({ ...one, dest }));
    expect(readdirSync(at('victim'))).toEqual(['f']);
    expect(beside(dest)).toEqual(['v1']);
  });
});
