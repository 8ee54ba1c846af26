import type { Lab } from '../lab/lab.ts';

/** etcd's own `etcdctl`, run on a host: the witness that is not our code. */
export async function etcdctl(
  lab: Lab,
  host: string,
  words: string,
  port = 2379,
  certDir = '/etc/etcd/cert',
): Promise<string> {
  const file = (name: string) => `${certDir}/etcd-${name}.pem`;
  const tls = `--cacert=${file('ca')} --cert=${file('client')} --key=${file('client-key')}`;
  const command = `ETCDCTL_API=3 etcdctl --dial-timeout=5s --command-timeout=20s --endpoints=https://${lab.addressOf(host)}:${port} ${tls} ${words}`;
  const { code, stdout, stderr } = await lab.exec(host, command);
  if (code !== 0) throw new Error(`etcdctl ${words} on ${host}: ${stderr || stdout}`);
  return stdout;
}

export interface WitnessedMember {
  id: string;
  name: string;
  peerUrls: string[];
  clientUrls: string[];
}

/** The members as one host's etcdctl lists them, sorted by name. */
export async function membersSeenBy(
  lab: Lab,
  host: string,
  port?: number,
  certDir?: string,
): Promise<WitnessedMember[]> {
  const { members } = JSON.parse(await etcdctl(lab, host, 'member list -w json', port, certDir)) as {
    members: { ID: number; name?: string; peerURLs: string[]; clientURLs?: string[] }[];
  };
  return members
    .map((one) => ({
      id: String(one.ID),
      name: one.name ?? '',
      peerUrls: one.peerURLs,
      clientUrls: one.clientURLs ?? [],
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** Everything on a host that a run might have changed, as text: two equal prints mean that nothing was. */
export async function fingerprint(lab: Lab, host: string): Promise<string> {
  const paths = '/etc/etcd /opt/etcd /usr/local/bin /etc/systemd/system /etc/passwd /etc/group /etc/ssl';
  const files = `find ${paths} -printf '%p %y %m %u %g %s %T@ %l\\n' | sort`;
  const service = 'systemctl show etcd.service -p InvocationID -p ActiveState -p UnitFileState';
  const data = "find /var/lib/etcd -maxdepth 2 -printf '%p %y %m %u %g\\n' 2>/dev/null | sort";
  return (await lab.exec(host, `${files}; ${service}; ${data}`)).stdout;
}
