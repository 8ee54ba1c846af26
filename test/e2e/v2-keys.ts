import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';

/** The v2 API of a member, asked as an application would: straight, by HTTPS. */
export class V2Client {
  readonly #endpoint: string;
  readonly #agent: Agent;

  constructor(endpoint: string, pki: string) {
    const file = (name: string) => readFileSync(join(pki, name));
    this.#endpoint = endpoint;
    const tls = { ca: file('ca.pem'), cert: file('client.pem'), key: file('client-key.pem') };
    this.#agent = new Agent({ ...tls, keepAlive: true, maxSockets: 64 });
  }

  ask(
    method: string,
    path: string,
    form: Record<string, string> | string = '',
  ): Promise<{ status: number; body: string }> {
    const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const asked = request(`${this.#endpoint}/v2/keys${path}`, { method, agent: this.#agent, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      });
      asked.on('error', reject).end(body);
    });
  }

  async set(path: string, form: Record<string, string> | string): Promise<void> {
    const { status, body } = await this.ask('PUT', path, form);
    if (status !== 200 && status !== 201) throw new Error(`PUT ${path}: ${status} ${body}`);
  }

  /** `directories` of `each` keys; every tenth key ends by itself. Gives the keys with their values and TTLs. */
  async fill(directories: number, each: number): Promise<Map<string, { value: string; ttl?: number }>> {
    const made = new Map<string, { value: string; ttl?: number }>();
    for (let dir = 0; dir < directories; dir++) {
      for (let at = 0; at < each; at++) {
        const number = dir * each + at;
        const ttl = number % 10 === 0 ? 600 + number : undefined;
        made.set(`/app/d${dir}/k${at}`, { value: `value ${dir}/${at}`, ...(ttl !== undefined && { ttl }) });
      }
    }
    const all = [...made];
    for (let at = 0; at < all.length; at += 500) {
      const some = all.slice(at, at + 500);
      await Promise.all(
        some.map(([path, { value, ttl }]) => this.set(path, { value, ...(ttl !== undefined && { ttl: String(ttl) }) })),
      );
    }
    return made;
  }

  close(): void {
    this.#agent.destroy();
  }
}
