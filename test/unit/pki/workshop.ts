import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { CertificateWish, PkiRequest } from '../../../src/pki/store.ts';

export const DAY_MS = 86_400_000;

/** A directory that is gone after the test. */
export function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'pki-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export function openssl(...args: string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export const server: CertificateWish = {
  id: 'etcd-h1-server',
  commonName: 'etcd-h1',
  organization: 'etcd',
  usage: ['server', 'client'],
  sans: { dns: ['localhost', 'h1', 'h1.example.com'], ip: ['127.0.0.1', '::1', '10.0.0.1', 'fd00::A:1'] },
};
export const client: CertificateWish = {
  id: 'client',
  commonName: 'root',
  usage: ['client'],
  sans: { dns: [], ip: [] },
};

export function request(dir: string, change: Partial<PkiRequest> = {}): PkiRequest {
  return {
    dir,
    keyAlgorithm: 'ecdsa-p256',
    lifetimeMs: 365 * DAY_MS,
    caCommonName: 'etcd-ca',
    wishes: [server, client],
    ...change,
  };
}

/** Name → bytes and mode of every file: equal before and after means that nothing was touched. */
export function contentsOf(dir: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(dir)
      .sort()
      .map((name) => {
        const path = join(dir, name);
        return [name, `${(statSync(path).mode & 0o777).toString(8)} ${readFileSync(path, 'utf8')}`];
      }),
  );
}

export interface OpensslCa {
  /** Arguments of `openssl genpkey`. */
  key?: string[];
  form?: 'pkcs8' | 'sec1' | 'pkcs1';
  subject?: string;
  days?: string;
  names?: { cert: string; key: string };
  more?: string[];
  /** Which ASN.1 string type the subject is written in: openssl's `string_mask`. */
  stringMask?: string;
}

export const EC_KEY = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
export const RSA_KEY = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];

/** A CA as an administrator makes it with openssl. */
export function makeOpensslCa(dir: string, ca: OpensslCa = {}): void {
  const names = ca.names ?? { cert: 'ca.pem', key: 'ca-key.pem' };
  const key = join(dir, names.key);
  openssl('genpkey', ...(ca.key ?? EC_KEY), '-out', key);
  if (ca.form === 'sec1') writeFileSync(key, openssl('ec', '-in', key));
  if (ca.form === 'pkcs1') writeFileSync(key, openssl('rsa', '-in', key, '-traditional'));
  const config = ca.stringMask ? opensslConfig(dir, ca.stringMask) : [];
  openssl(
    ...['req', '-x509', '-new', '-key', key, '-days', ca.days ?? '3650', '-out', join(dir, names.cert)],
    ...['-subj', ca.subject ?? '/C=DE/O=Example Ltd/CN=Example CA'],
    ...(ca.more ?? []),
    ...config,
  );
}

function opensslConfig(dir: string, stringMask: string): string[] {
  const path = join(dir, 'openssl.cnf');
  writeFileSync(
    path,
    `[req]\nstring_mask=${stringMask}\ndistinguished_name=name\nx509_extensions=ca\n[name]\n[ca]\nbasicConstraints=CA:TRUE\n`,
  );
  return ['-config', path];
}

/** Starts `issuer.ts` as a process of its own. */
export function startIssuer(dir: string, rounds = 1, hosts = 3): ChildProcess {
  const script = fileURLToPath(new URL('issuer.ts', import.meta.url));
  const jiti = fileURLToPath(new URL('../../../node_modules/jiti/lib/jiti-cli.mjs', import.meta.url));
  return spawn(process.execPath, [jiti, script, dir, String(rounds), String(hosts)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** What a process printed. Rejects with its errors if it failed. */
export function finished(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let [output, errors] = ['', ''];
    child.stdout?.on('data', (data) => {
      output += data;
    });
    child.stderr?.on('data', (data) => {
      errors += data;
    });
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`exit ${code}: ${errors}`))));
  });
}
