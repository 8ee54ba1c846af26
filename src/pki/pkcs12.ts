import { spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import type { Writable } from 'node:stream';
import { InputError, PlayError } from '../errors.ts';
import type { Secret } from '../secret.ts';
import { certificateBlocks } from './certificate.ts';
import type { KeyPair } from './leaf.ts';

/** Java's keytool takes no shorter one. */
export const LEAST_PASSWORD_LENGTH = 6;

/** What openssl 1.1 would take by itself has been broken for long; Java reads this from 8u301 on. */
const ALGORITHMS = ['-keypbe', 'AES-256-CBC', '-certpbe', 'AES-256-CBC', '-macalg', 'sha256', '-iter', '100000'];

/** A certificate with its key and its CA as one file (RFC 7292), made by the program openssl. @param name how it is called in it. */
export async function makePkcs12(
  { certPem, keyPem, caPem, name }: KeyPair & { caPem: string; name: string },
  password: Secret,
): Promise<Buffer> {
  const words = ['pkcs12', '-export', '-name', name, ...ALGORITHMS, '-passout', 'fd:3'];
  const { code, stdout, stderr } = await openssl(words, password, `${keyPem}${certPem}${caPem}`);
  if (code === 0) return stdout;
  throw new PlayError(`openssl made no PKCS#12 file: ${stderr.trim()}`, { next: 'Run again with -e p12=true.' });
}

/** The certificate of a PKCS#12 file; undefined where the password does not open it. */
export async function openPkcs12(path: string, password: Secret): Promise<X509Certificate | undefined> {
  const words = ['pkcs12', '-in', path, '-nokeys', '-clcerts', '-passin', 'fd:3'];
  const { code, stdout } = await openssl(words, password, '');
  const [block] = certificateBlocks(stdout.toString('latin1'));
  return code === 0 && block !== undefined ? new X509Certificate(block) : undefined;
}

/** Before anything is issued for it. @throws InputError where the program openssl is not there. */
export async function checkOpenssl(): Promise<void> {
  await openssl(['version'], undefined, '');
}

interface Ended {
  code: number | null;
  stdout: Buffer;
  stderr: string;
}

/** The password goes through a pipe of its own: neither arguments nor environment are as private. */
function openssl(words: readonly string[], password: Secret | undefined, input: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn('openssl', words, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    let stderr = '';
    child.once('error', (cause) => {
      const next = 'Install it on this machine (package openssl), or leave out -e p12=true: PEM files need none.';
      reject(new InputError(`PKCS#12 files are made by the program openssl: ${cause.message}`, { next, cause }));
    });
    const { stdin, stdout, stderr: errors } = child;
    const secret = child.stdio[3] as Writable;
    stdout.on('data', (chunk: Buffer) => out.push(chunk));
    errors.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.once('close', (code) => resolve({ code, stdout: Buffer.concat(out), stderr }));
    // It may have ended before it was told all.
    for (const pipe of [stdin, secret]) pipe.on('error', () => undefined);
    secret.end(password === undefined ? '' : `${password.reveal()}\n`);
    stdin.end(input);
  });
}
