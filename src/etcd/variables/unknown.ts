import { etcdSetting, spanText } from '../versions.ts';
import { declared } from './declarations.ts';

/** Settings of etcd that etcd-play works out by itself, and from what. */
const composed: Record<string, string> = {
  ETCD_LISTEN_PEER_URLS: 'ETCD_LISTEN_ADDRESS (or ETCD_LISTEN_PEER_ADDRESS) and ETCD_PEER_PORT',
  ETCD_LISTEN_CLIENT_URLS: 'ETCD_LISTEN_ADDRESS (or ETCD_LISTEN_CLIENT_ADDRESS) and ETCD_CLIENT_PORT',
  ETCD_ADVERTISE_CLIENT_URLS: 'ETCD_ADVERTISE_ADDRESS (or ETCD_ADVERTISE_CLIENT_ADDRESS) and ETCD_CLIENT_PORT',
  ETCD_INITIAL_ADVERTISE_PEER_URLS: 'ETCD_ADVERTISE_ADDRESS (or ETCD_ADVERTISE_PEER_ADDRESS) and ETCD_PEER_PORT',
  ETCD_INITIAL_CLUSTER: 'the hosts of the inventory',
  ETCD_INITIAL_CLUSTER_STATE: 'what the hosts hold',
  ETCD_CERT_FILE: 'ETCD_CERT_DIR',
  ETCD_KEY_FILE: 'ETCD_CERT_DIR',
  ETCD_TRUSTED_CA_FILE: 'ETCD_CERT_DIR',
  ETCD_PEER_CERT_FILE: 'ETCD_CERT_DIR',
  ETCD_PEER_KEY_FILE: 'ETCD_CERT_DIR',
  ETCD_PEER_TRUSTED_CA_FILE: 'ETCD_CERT_DIR',
  ETCD_CLIENT_CERT_AUTH: 'nothing: clients always need a certificate',
  ETCD_PEER_CLIENT_CERT_AUTH: 'nothing: members always need a certificate',
  ETCD_LOGGER: 'the version',
  ETCD_DEBUG: 'ETCD_LOG_LEVEL',
};

/** Settings that must not stand in a configuration, and why. */
const refused: Record<string, string> = {
  ETCD_CONFIG_FILE: 'etcd would then ignore all other settings',
  ETCD_FORCE_NEW_CLUSTER: 'each start would throw the other members out',
  ETCD_AUTO_TLS: 'the cluster has certificates of its own CA',
  ETCD_PEER_AUTO_TLS: 'the cluster has certificates of its own CA',
  ETCD_PROXY: 'members are made here, not proxies',
  ETCD_CA_FILE: 'it is the old name of a setting that etcd-play makes',
  ETCD_PEER_CA_FILE: 'it is the old name of a setting that etcd-play makes',
  ETCD_DISCOVERY: 'members are found by the inventory',
  ETCD_DISCOVERY_SRV: 'members are found by the inventory',
  ETCD_DISCOVERY_ENDPOINTS: 'members are found by the inventory',
  ETCD_DISCOVERY_TOKEN: 'members are found by the inventory',
};

const all = Object.values(declared);
const names = new Set<string>(all.flatMap((d) => [d.name, ...('aliases' in d ? (d.aliases ?? []) : [])]));

/** Why a setting may not be given by the user himself, as it ends a sentence; undefined if it may. */
export function ownedBy(setting: string): { message: string; next: string } | undefined {
  if (names.has(setting)) {
    return { message: `${setting} is a variable of its own`, next: `Set ${setting} by itself, outside ETCD_EXTRA.` };
  }
  const source = composed[setting];
  if (source !== undefined) {
    return { message: `${setting} is worked out by etcd-play`, next: `It comes from ${source}.` };
  }
  const why = refused[setting];
  return why === undefined ? undefined : { message: `${setting} is refused: ${why}`, next: 'Delete it.' };
}

/** What is wrong with a variable's name: an error if it looks like one of ours; undefined for known and foreign ones. */
export function unknownVariable(name: string): { error: boolean; message: string; next: string } | undefined {
  if (names.has(name)) return undefined;
  if (!/^(ETCD|ECTD|CERT|LOCAL_ETCD)_/.test(name)) {
    if (!names.has(name.toUpperCase())) return undefined;
    const next = `Write ${name.toUpperCase()} to set it.`;
    return { error: false, message: `${name} is not read: names of variables are in capitals`, next };
  }
  const owned = ownedBy(name);
  if (owned) return { error: true, ...owned };
  const span = etcdSetting(name);
  if (span) {
    const message = `${name} is a setting of etcd (${spanText(span)}) without a variable of its own`;
    return { error: true, message, next: `Put it into ETCD_EXTRA: ETCD_EXTRA=${name}=…` };
  }
  const near = nearest(name);
  const next = near ? `Did you mean ${near}?` : 'docs/variables.md lists them all.';
  return { error: true, message: `${name} is no variable of etcd-play`, next };
}

/** The known name that is reached with the fewest slips, if they are few for its length. */
function nearest(name: string): string | undefined {
  const [best] = [...names].map((known) => ({ known, far: distance(name, known) })).sort((a, b) => a.far - b.far);
  return best && best.far <= Math.max(2, Math.floor(name.length / 4)) ? best.known : undefined;
}

/** How many letters must be added, dropped, changed or swapped with the next to get from one word to another. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
}
