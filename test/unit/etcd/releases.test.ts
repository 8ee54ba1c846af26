import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeError, InputError } from '../../../src/errors.ts';
import { downloadProblem } from '../../../src/etcd/releases/download.ts';
import { obtainRelease, type ReleaseRequest, releaseFileName } from '../../../src/etcd/releases.ts';

const archive = gzipSync(Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * i) % 251)), { level: 0 });
const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
const file = 'etcd-v3.5.16-linux-amd64.tar.gz';
const sums = `${sha256(Buffer.from('x'))}  etcd-v3.5.16-linux-arm64.tar.gz\n${sha256(archive)}  ${file}\n`;

type Answer = (response: ServerResponse) => void;
const whole =
  (data: string | Buffer): Answer =>
  (response) =>
    response.end(data);

let dir: string;
let server: Server;
let answers: Record<string, Answer>;
let asked: string[];
let url: string;
/** Ends the connection of a download that has begun. */
let cut: () => void;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'releases-'));
  asked = [];
  cut = () => undefined;
  answers = { [`/v3.5.16/${file}`]: whole(archive), '/v3.5.16/SHA256SUMS': whole(sums) };
  server = createServer((request, response) => {
    asked.push(request.url!);
    const answer = answers[request.url!];
    if (answer) answer(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
  rmSync(dir, { recursive: true });
});

const obtain = (more: Partial<ReleaseRequest> = {}) =>
  obtainRelease({ version: '3.5.16', arch: 'amd64', dir, url, ...more });

async function failure(more: Partial<ReleaseRequest> = {}): Promise<string> {
  const error = await obtain(more).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(InputError);
  return describeError(error).replaceAll(dir, 'DIR').replaceAll(url, 'URL');
}

function put(path: string, data: string | Buffer): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), data);
}

const files = () => (existsSync(join(dir, 'v3.5.16')) ? readdirSync(join(dir, 'v3.5.16')).sort() : []);

describe('a release that is not there', () => {
  it('is downloaded with its sums, checked, and kept', async () => {
    const seen: [number, number | undefined][] = [];
    const release = await obtain({ onProgress: (done, total) => seen.push([done, total]) });
    expect(release).toEqual({
      version: '3.5.16',
      arch: 'amd64',
      archivePath: join(dir, 'v3.5.16', file),
      sha256: sha256(archive),
      sizeBytes: archive.length,
    });
    expect(readFileSync(release.archivePath).equals(archive)).toBe(true);
    expect(seen.at(-1)).toEqual([archive.length, archive.length]);
    expect(files()).toEqual(['SHA256SUMS', file]);
  });

  it('is downloaded once', async () => {
    await obtain();
    await obtain();
    expect(asked).toHaveLength(2);
  });

  it('may be downloaded by several at once', async () => {
    const releases = await Promise.all(Array.from({ length: 5 }, () => obtain()));
    expect(new Set(releases.map((r) => r.sha256))).toEqual(new Set([sha256(archive)]));
    expect(files()).toEqual(['SHA256SUMS', file]);
  });

  it('is found by a redirect', async () => {
    answers['/there'] = whole(archive);
    answers[`/v3.5.16/${file}`] = (response) => response.writeHead(302, { location: '/there' }).end();
    expect((await obtain()).sizeBytes).toBe(archive.length);
  });

  it('may come without its length', async () => {
    answers[`/v3.5.16/${file}`] = (response) => {
      response.write(archive.subarray(0, 1000));
      response.end(archive.subarray(1000));
    };
    expect((await obtain()).sizeBytes).toBe(archive.length);
  });

  it('is checked against sums that were put there', async () => {
    put('v3.5.16/SHA256SUMS', `${'0'.repeat(64)}  ${file}\n`);
    expect(await failure()).toContain('has the wrong sum');
    expect(asked).toEqual([`/v3.5.16/${file}`]);
  });

  it('takes no room of downloads that were killed a day ago', async () => {
    put(`v3.5.16/${file}.99-00000000.part`, 'old');
    utimesSync(join(dir, 'v3.5.16', `${file}.99-00000000.part`), new Date(0), new Date(0));
    put(`v3.5.16/${file}.99-11111111.part`, 'of another process');
    await obtain();
    expect(files()).toEqual(['SHA256SUMS', file, `${file}.99-11111111.part`]);
  });

  const next = `\n  → Put ${file} and its SHA256SUMS into DIR (from a machine that reaches URL/v3.5.16/${file}), or set ETCD_RELEASE_URL.`;
  const at = `/v3.5.16/${file}`;
  const head = { 'content-length': archive.length };
  const each: [string, Record<string, Answer | undefined>, string][] = [
    ['is not on the server', { [at]: undefined }, `URL${at} is not there (404)${next}`],
    [
      'has no sums on the server',
      { '/v3.5.16/SHA256SUMS': undefined },
      `URL/v3.5.16/SHA256SUMS is not there (404)${next}`,
    ],
    [
      'has sums without its own',
      { '/v3.5.16/SHA256SUMS': whole('<html>hello</html>') },
      `URL/v3.5.16/SHA256SUMS has no sum for ${file}\n  → Check ETCD_VERSION and ETCD_RELEASE_URL: has this version been released for this architecture?`,
    ],
    [
      'meets a broken server',
      { [at]: (r) => r.writeHead(503).end() },
      `URL${at} was not given: 503 Service Unavailable${next}`,
    ],
    [
      'is cut short by a lost connection',
      {
        [at]: (r) => {
          cut = () => r.destroy();
          r.writeHead(200, head).write(archive.subarray(0, 1000));
        },
      },
      `URL${at} was cut short after 1000 of ${archive.length} bytes: the connection was closed${next}`,
    ],
    [
      'is cut short in good order',
      { [at]: whole(archive.subarray(0, 1000)) },
      `URL${at} has the wrong sum: sha256 ${sha256(archive.subarray(0, 1000))}, 1000 bytes, where URL/v3.5.16/SHA256SUMS asks for ${sha256(archive)}\n  → Nothing was kept. Try again; if it stays so, do not use this source.${next.slice(4)}`,
    ],
    [
      'stands still',
      { [at]: (r) => void r.writeHead(200, head).write(archive.subarray(0, 1000)) },
      `URL${at} stood still after 1000 of ${archive.length} bytes: nothing came for 2 s${next}`,
    ],
    ['never begins', { [at]: () => {} }, `URL${at} stood still: nothing came for 2 s${next}`],
    [
      'is redirected in a circle',
      { [at]: (r) => r.writeHead(302, { location: at }).end() },
      `URL${at} could not be read: redirect count exceeded${next}`,
    ],
  ];
  it.each(each)('that %s is said to be so, and nothing is kept of it', async (_, changed, expected) => {
    Object.assign(answers, changed);
    const stallMs = expected.includes('stood still') ? { stallMs: 2_000 } : {};
    expect(await failure({ ...stallMs, onProgress: () => cut() })).toBe(expected);
    expect(files().filter((name) => name !== 'SHA256SUMS')).toEqual([]);
  });

  it('that nobody serves is said to be so', async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    expect(await failure()).toMatch(/SHA256SUMS cannot be reached: the connection was refused/);
  });

  it('is given up at once when the run is interrupted', async () => {
    const stop = new AbortController();
    answers[at] = (response) => {
      response.writeHead(200, head).write(archive.subarray(0, 1000));
      setTimeout(() => stop.abort(new Error('interrupted')), 20);
    };
    await expect(obtain({ signal: stop.signal, stallMs: 10_000 })).rejects.toThrow('interrupted');
    expect(files()).toEqual(['SHA256SUMS']);
  });

  it('cannot be kept where a file is in the way', async () => {
    put('cache', 'a file');
    expect(await failure({ dir: join(dir, 'cache') })).toMatch(
      /^the cache of releases cannot be used: .*: a part of the path is not a directory\n.*ETCD_RELEASE_DIR/,
    );
  });
});

describe('a release that is there', () => {
  it.each([
    ['in its own directory', `v3.5.16/${file}`, 'v3.5.16/SHA256SUMS'],
    ['right in the cache', file, 'SHA256SUMS'],
    ['right in the cache, with sums in the directory of the release', file, 'v3.5.16/SHA256SUMS'],
  ])('%s is used without a download', async (_, path, sumsPath) => {
    put(path, archive);
    put(sumsPath, sums);
    expect(await obtain({ url: 'http://127.0.0.1:1' })).toMatchObject({
      archivePath: join(dir, path),
      sha256: sha256(archive),
    });
  });

  it.each([
    ['as sha256sum writes binary files', `${sha256(archive)} *${file}\n`],
    ['in capitals, with a directory, on Windows', `${sha256(archive).toUpperCase()}  ./out/${file}\r\n`],
  ])('may have its sum written %s', async (_, text) => {
    put(file, archive);
    put('SHA256SUMS', text);
    expect((await obtain({ url: 'http://127.0.0.1:1' })).sizeBytes).toBe(archive.length);
  });

  it('without sums has them downloaded', async () => {
    put(file, archive);
    await obtain();
    expect(asked).toEqual(['/v3.5.16/SHA256SUMS']);
    expect(files()).toEqual(['SHA256SUMS']);
  });

  it('without sums cannot be used when they cannot be had', async () => {
    put(file, archive);
    answers['/v3.5.16/SHA256SUMS'] = (response) => response.writeHead(404).end();
    expect(await failure()).toBe(
      `URL/v3.5.16/SHA256SUMS is not there (404)\n  → Put the SHA256SUMS of the release beside DIR/${file}.`,
    );
  });

  const damaged = Buffer.from(archive);
  damaged.writeUInt8(damaged.readUInt8(5000) ^ 1, 5000);
  it.each([
    ['cut short', archive.subarray(0, 5000), 'is cut short'],
    ['empty', Buffer.alloc(0), 'is cut short'],
    ['damaged', damaged, 'has the wrong sum'],
    ['no archive at all', Buffer.from('<html>'), 'has the wrong sum'],
  ])('but %s is refused and left as it is', async (_, data, what) => {
    put(`v3.5.16/${file}`, data);
    put('v3.5.16/SHA256SUMS', sums);
    expect(await failure()).toBe(
      `DIR/v3.5.16/${file} ${what}: sha256 ${sha256(data)}, ${data.length} bytes, where DIR/v3.5.16/SHA256SUMS asks for ${sha256(archive)}\n  → It was left as it is. Delete it, and the next run downloads it; or put the right file in its place.`,
    );
    expect(readFileSync(join(dir, 'v3.5.16', file)).equals(data)).toBe(true);
    expect(asked).toEqual([]);
  });
});

describe('the reason why a download failed', () => {
  const failed = (code: string, message = code) =>
    new TypeError('fetch failed', { cause: Object.assign(new Error(message), { code }) });
  it.each([
    ['ENOTFOUND', 'there is no host h.example'],
    ['EAI_AGAIN', 'the name h.example could not be looked up'],
    ['ECONNREFUSED', 'the connection was refused'],
    ['UND_ERR_CONNECT_TIMEOUT', 'h.example does not answer'],
    ['ECONNRESET', 'the connection was closed'],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'cannot be trusted'],
    ['CERT_HAS_EXPIRED', 'cannot be trusted'],
  ])('%s reads: %s', (code, expected) => {
    const problem = downloadProblem(failed(code), 'https://h.example/x', 'Do this.');
    expect(problem).toBeInstanceOf(InputError);
    expect(problem).toMatchObject({
      message: expect.stringContaining(expected),
      next: expect.stringMatching(/^Do this\./),
    });
  });

  it('is handed on when it is nothing of the kind', () => {
    const error = new RangeError('a bug');
    expect(downloadProblem(error, 'https://h.example/x', '')).toBe(error);
  });
});

it('releases are named as etcd names them', () => {
  expect(releaseFileName('3.5.16', 'arm64')).toBe('etcd-v3.5.16-linux-arm64.tar.gz');
});
