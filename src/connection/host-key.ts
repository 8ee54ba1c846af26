import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, readFile, realpath, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { HostKeyError } from './errors.ts';
import { certificateFault, type HostCertificate, parseHostCertificate } from './host-certificate.ts';
import {
  authoritiesFor,
  type HostKeyVerdict,
  judgeHostKey,
  type KnownHost,
  keyTypeOf,
  knownHostLine,
  knownHostName,
  knownKeyTypes,
  parseKnownHosts,
} from './known-hosts.ts';
import type { LoginSettings } from './settings.ts';

/** Judges the key that one sshd shows, by the known_hosts files and the wish of the user. */
export class HostKeyCheck {
  readonly #login: LoginSettings;
  readonly #name: string;
  /** The name without its port: OpenSSH believes a key on file under it, too. */
  readonly #bareName: string | undefined;
  readonly #entries: readonly KnownHost[];
  #certificate: HostCertificate | undefined;

  constructor(login: LoginSettings) {
    this.#login = login;
    this.#name = login.hostKeyAlias?.toLowerCase() ?? knownHostName(login.address, login.port);
    const bare = login.hostKeyAlias ? this.#name : knownHostName(login.address, 22);
    this.#bareName = bare === this.#name ? undefined : bare;
    this.#entries = login.hostKeyChecking === 'off' ? [] : login.knownHostsFiles.flatMap(readKnownHosts);
  }

  get #authorities(): readonly KnownHost[] {
    return this.#names.flatMap((name) => authoritiesFor(this.#entries, name));
  }

  get #names(): readonly string[] {
    return this.#bareName === undefined ? [this.#name] : [this.#name, this.#bareName];
  }

  /** Whether an authority may speak for this host, so that its certificate is worth fetching. */
  get wantsCertificate(): boolean {
    return this.#authorities.length > 0;
  }

  /**
   * Takes a certificate into account. One by an authority that is not known says nothing, as if there were none.
   * @throws HostKeyError where a known authority's certificate does not hold for this host.
   */
  useCertificate(blob: Buffer | undefined): void {
    if (!blob) return;
    const { host, address, hostKeyAlias } = this.#login;
    const certificate = parseHostCertificate(blob);
    const authority = certificate.authority.toString('base64');
    const revoked = this.#entries.find((entry) => entry.marker === 'revoked' && entry.key === authority);
    if (revoked) throw this.#refusal(certificate.authority, { known: 'revoked', entry: revoked });
    const trusted = this.#authorities.find((entry) => entry.key === authority);
    if (!trusted) return;
    const fault = certificateFault(certificate, hostKeyAlias ?? address, new Date());
    if (fault) {
      throw new HostKeyError(`the host certificate of ${address} (${certificate.keyId}) is refused: ${fault}`, {
        host,
        file: trusted.file,
        line: trusted.line,
        next: 'Have the host key signed anew for this name (ssh-keygen -h -s CA -n NAME), or correct the clock.',
      });
    }
    this.#certificate = certificate;
  }

  /** The types on file first, so that a server with several keys shows the one that can be checked. */
  get algorithms(): ServerHostKeyAlgorithm[] {
    const known = this.#certificate
      ? [keyTypeOf(this.#certificate.key)]
      : this.#names.flatMap((name) => knownKeyTypes(this.#entries, name));
    const isKnown = (name: string) => known.includes(name.startsWith('rsa-') ? 'ssh-rsa' : name);
    return [...ALGORITHMS.filter(isKnown), ...ALGORITHMS.filter((name) => !isKnown(name))];
  }

  /** Gives true for a key that is to be trusted, and adds a new one to the file where that is asked for. */
  async judge(key: Buffer): Promise<HostKeyError | undefined> {
    if (this.#login.hostKeyChecking === 'off') return undefined;
    const verdict = this.#verdict(key);
    if (verdict.known === 'revoked') return this.#refusal(key, verdict);
    if (verdict.known === 'yes' || this.#certificate?.key.equals(key)) return undefined;
    if (verdict.known === 'no' && this.#login.hostKeyChecking === 'accept-new') return this.#accept(key);
    return this.#refusal(key, verdict);
  }

  #verdict(key: Buffer): HostKeyVerdict {
    const verdict = judgeHostKey(this.#entries, this.#name, key);
    if (verdict.known !== 'no' || this.#bareName === undefined) return verdict;
    const bare = judgeHostKey(this.#entries, this.#bareName, key);
    // Another sshd may stand at the standard port: that it has another key says nothing of this one.
    return bare.known === 'changed' ? verdict : bare;
  }

  async #accept(key: Buffer): Promise<HostKeyError | undefined> {
    const { host, knownHostsFiles, hashKnownHosts } = this.#login;
    const file = knownHostsFiles[0];
    if (!file) return undefined;
    try {
      const verdict = await addKnownHost(file, this.#name, key, hashKnownHosts);
      return verdict.known === 'yes' ? undefined : this.#refusal(key, verdict);
    } catch (cause) {
      return new HostKeyError(`the new host key cannot be added to ${file}: ${(cause as Error).message}`, {
        host,
        cause,
        next: `See that ${file} can be written.`,
      });
    }
  }

  #refusal(key: Buffer, verdict: HostKeyVerdict): HostKeyError {
    const { host, address, port, knownHostsFiles } = this.#login;
    const type = keyTypeOf(key);
    if (verdict.known === 'revoked') {
      const { file, line } = verdict.entry;
      return new HostKeyError(`the host key of ${address} is revoked (${type})`, {
        host,
        file,
        line,
        next: 'Whoever shows this key may have stolen it. Give the host a new one (ssh-keygen -A there).',
      });
    }
    if (verdict.known === 'changed') {
      const { file, line } = verdict.entry;
      return new HostKeyError(`the host key of ${address} has changed (offered: ${type})`, {
        host,
        file,
        line,
        next: 'Someone may be listening in, or the host was set up anew. Make sure of its key, then replace that line.',
      });
    }
    const authority = this.wantsCertificate ? ', and it shows no certificate of an authority that is' : '';
    return new HostKeyError(`the host key of ${address} is not known (offered: ${type})${authority}`, {
      host,
      next:
        `Compare the key, then add it: ssh-keyscan -p ${port} ${address} >> ${knownHostsFiles[0] ?? '~/.ssh/known_hosts'}` +
        ' (or take new ones as they come: --host-key-checking accept-new)',
    });
  }
}

const ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

function readKnownHosts(file: string): KnownHost[] {
  try {
    return parseKnownHosts(readFileSync(file, 'utf8'), file);
  } catch {
    return [];
  }
}

const LOCK_TIMEOUT_MS = 10_000;
/** A lock as old as this was left behind by a process that died: its work takes milliseconds. */
const STALE_LOCK_MS = 30_000;

/** One at a time within this process; the lock file holds other processes off. */
let queue: Promise<unknown> = Promise.resolve();

/** Adds a line unless one for the host has come in the meantime, and tells what the file says of the key then. */
function addKnownHost(file: string, name: string, key: Buffer, hashed: boolean): Promise<HostKeyVerdict> {
  const added = queue.then(() => addLine(file, name, key, hashed));
  queue = added.catch(() => undefined);
  return added;
}

async function addLine(named: string, name: string, key: Buffer, hashed: boolean): Promise<HostKeyVerdict> {
  await mkdir(dirname(named), { recursive: true, mode: 0o700 });
  // A link stays one: what it points to is replaced.
  const file = await realpath(named).catch(() => named);
  const lock = `${file}.lock`;
  await takeLock(lock);
  try {
    const before = await readFile(file, 'utf8').catch(() => '');
    const verdict = judgeHostKey(parseKnownHosts(before, file), name, key);
    if (verdict.known !== 'no') return verdict;
    const { mode } = await stat(file).catch(() => ({ mode: 0o600 }));
    const seam = before === '' || before.endsWith('\n') ? '' : '\n';
    const next = `${file}.${randomBytes(6).toString('hex')}`;
    const handle = await open(next, 'wx', mode & 0o777);
    try {
      await handle.writeFile(`${before}${seam}${knownHostLine(name, key, hashed)}`);
    } finally {
      await handle.close();
    }
    await rename(next, file);
    return { known: 'yes' };
  } finally {
    await unlink(lock).catch(() => undefined);
  }
}

async function takeLock(lock: string): Promise<void> {
  const end = performance.now() + LOCK_TIMEOUT_MS;
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const age =
        Date.now() -
        (await stat(lock).then(
          ({ mtimeMs }) => mtimeMs,
          () => Date.now(),
        ));
      if (age > STALE_LOCK_MS) await unlink(lock).catch(() => undefined);
      else if (performance.now() > end) throw new Error(`${lock} is held by another process`);
      else await sleep(10 + Math.random() * 20);
    }
  }
}
