import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { noop } from 'cockatiel';
import { Etcd3 } from 'etcd3';

export interface EndpointOptions {
  /** `https://10.0.0.11:2379`: all that the client knows. */
  endpoints: readonly string[];
  /** The folder with ca.pem, client.pem and client-key.pem; read anew at each connection, as certificates change. */
  pki: string;
}

/** One client for each endpoint, made when it is needed and dropped when it fails. */
export class EndpointClients {
  readonly #pki: string;
  #endpoints: readonly string[];
  readonly #open = new Map<string, Etcd3>();

  constructor({ endpoints, pki }: EndpointOptions) {
    this.#endpoints = endpoints;
    this.#pki = pki;
  }

  use(endpoints: readonly string[]): void {
    this.#endpoints = endpoints;
  }

  name(at: number): string {
    return this.#endpoints[at % this.#endpoints.length]!;
  }

  at(at: number): Etcd3 {
    const endpoint = this.name(at);
    const open = this.#open.get(endpoint) ?? this.fresh(endpoint);
    this.#open.set(endpoint, open);
    return open;
  }

  fresh(endpoint: string): Etcd3 {
    const read = (file: string) => readFileSync(join(this.#pki, file));
    return new Etcd3({
      hosts: endpoint,
      credentials: {
        rootCertificate: read('ca.pem'),
        certChain: read('client.pem'),
        privateKey: read('client-key.pem'),
      },
      faultHandling: { global: noop, host: () => noop },
      // Else grpc keeps one connection for all clients of the same address, also with certificates of before.
      grpcOptions: { 'grpc.use_local_subchannel_pool': 1 },
    });
  }

  drop(at: number): void {
    const endpoint = this.name(at);
    this.#open.get(endpoint)?.close();
    this.#open.delete(endpoint);
  }

  /** Asks one endpoint after the other until one answers. @throws what the last one said. */
  async ask<T>(what: (client: Etcd3) => Promise<T>, tries = 20): Promise<T> {
    for (let at = 0; ; at++) {
      try {
        return await what(this.at(at));
      } catch (error) {
        this.drop(at);
        if (at >= tries) throw error;
        await sleep(200);
      }
    }
  }

  close(): void {
    for (const client of this.#open.values()) client.close();
    this.#open.clear();
  }
}
