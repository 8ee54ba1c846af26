import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { SshConfig } from '../../connection/ssh-config.ts';
import { InputError } from '../../errors.ts';
import { loadInventory } from '../../inventory/load.ts';
import { selectHosts } from '../../inventory/pattern.ts';
import type { RunContext } from '../../runner/playbook.ts';
import { ConnectionPool } from '../../runner/pool.ts';
import { type ClusterDoor, MemberSessions } from '../live/sessions.ts';
import { type EndpointOptions, EndpointSessions, readEndpoints } from './endpoints.ts';

/**
 * The cluster that `to` means: a group of this inventory, another inventory (its group `etcd`), or addresses that are dialled
 * from this machine. @throws InputError.
 */
export async function openDestination(run: RunContext, to: string, tls: EndpointOptions): Promise<ClusterDoor> {
  const urls = readEndpoints(to);
  if (urls) {
    const door = new EndpointSessions(urls, tls);
    run.onEnd(() => door.close());
    return door;
  }
  if (tls.ca ?? tls.cert ?? tls.key ?? tls.serverName) {
    throw new InputError('to_ca, to_cert, to_key and to_server_name are for addresses', {
      next: `${to} has certificates of its own: CERT_LOCAL_DIR there.`,
    });
  }
  if (run.inventory.groups.has(to)) return new MemberSessions(run, run.inventory.hostsOf(to));
  const file = resolve(to);
  if (existsSync(file)) return otherInventory(run, file);
  throw new InputError(`to=${to} is no group of this inventory, no file and no list of addresses`, {
    next: 'Say: -e to=GROUP, -e to=new.ini, or -e to=https://10.0.0.1:2379 with to_ca, to_cert and to_key.',
  });
}

/** Its hosts are reached as that inventory says; what the command line says of connections is for the first one. */
async function otherInventory(run: RunContext, file: string): Promise<ClusterDoor> {
  const inventory = await loadInventory([file]);
  const config = new SshConfig();
  const pool = new ConnectionPool((host) => config.settings(host, inventory.varsOf(host), { become: false }));
  const hosts = selectHosts(inventory, 'etcd');
  await pool.prepare(hosts);
  const place = {
    varsOf: (host: string) => inventory.varsOf(host),
    inventoryDir: dirname(file),
    say: run.say,
    onEnd: run.onEnd,
    connect: (host: string) => pool.get(host),
  };
  // Sessions go through these, and are closed before them.
  const sessions = new MemberSessions(place, hosts);
  run.onEnd(() => pool.close());
  return sessions;
}
