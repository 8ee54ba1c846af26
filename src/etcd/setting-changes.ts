import { knowsSetting, type Minor, minorOf, minors } from './versions.ts';

/**
 * Settings that were called EXPERIMENTAL_… once. Most have had their new name from 3.6 on, which knows both; 3.7 knows the
 * new one only (E/server/embed/config.go).
 */
const RENAMED: readonly string[] =
  `BACKEND_BBOLT_FREELIST_TYPE BOOTSTRAP_DEFRAG_THRESHOLD_MEGABYTES COMPACTION_BATCH_LIMIT COMPACTION_SLEEP_INTERVAL
  COMPACT_HASH_CHECK_TIME CORRUPT_CHECK_TIME DISTRIBUTED_TRACING_ADDRESS DISTRIBUTED_TRACING_INSTANCE_ID
  DISTRIBUTED_TRACING_SAMPLING_RATE DISTRIBUTED_TRACING_SERVICE_NAME DOWNGRADE_CHECK_TIME ENABLE_DISTRIBUTED_TRACING
  MEMORY_MLOCK PEER_SKIP_CLIENT_SAN_VERIFICATION SNAPSHOT_CATCHUP_ENTRIES WARNING_APPLY_DURATION
  WARNING_UNARY_REQUEST_DURATION WATCH_PROGRESS_NOTIFY_INTERVAL`.split(/\s+/);

/** Flags that have become feature gates in 3.6 (E/server/features/etcd_features.go). */
const GATES: Readonly<Record<string, string>> = {
  ETCD_EXPERIMENTAL_COMPACT_HASH_CHECK_ENABLED: 'CompactHashCheck',
  ETCD_EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT: 'LeaseCheckpoint',
  ETCD_EXPERIMENTAL_ENABLE_LEASE_CHECKPOINT_PERSIST: 'LeaseCheckpointPersist',
  ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK: 'InitialCorruptCheck',
  ETCD_EXPERIMENTAL_STOP_GRPC_SERVICE_ON_DEFRAG: 'StopGRPCServiceOnDefrag',
  ETCD_EXPERIMENTAL_TXN_MODE_WRITE_WITH_SHARED_BUFFER: 'TxnModeWriteWithSharedBuffer',
};
const GATE_SETTING = 'ETCD_FEATURE_GATES';

/** The other name of a setting, whichever of the two is given. */
export function otherName(name: string): string | undefined {
  if (name === 'ETCD_LOG_OUTPUT') return 'ETCD_LOG_OUTPUTS';
  if (name === 'ETCD_LOG_OUTPUTS') return 'ETCD_LOG_OUTPUT';
  const old = /^ETCD_EXPERIMENTAL_(.+)$/.exec(name)?.[1];
  if (old !== undefined) return RENAMED.includes(old) ? `ETCD_${old}` : undefined;
  const bare = name.replace(/^ETCD_/, '');
  return RENAMED.includes(bare) ? `ETCD_EXPERIMENTAL_${bare}` : undefined;
}

/** Feature gates that never were flags, by the minor version that has them first (E/server/features/etcd_features.go). */
const OTHER_GATES: Readonly<Record<string, Minor>> = {
  AllAlpha: '3.6',
  AllBeta: '3.6',
  SetMemberLocalAddr: '3.6',
  FastLeaseKeepAlive: '3.7',
  PriorityRequest: '3.7',
};

/** Why a version does not start with this value, although it knows the setting; undefined where it does. */
export function valueProblem(version: string, name: string, value: string): string | undefined {
  const at = minors.indexOf(minorOf(version)!);
  const since36 = at >= minors.indexOf('3.6');
  if (name === 'ETCD_V2_DEPRECATION' && value === 'not-yet' && since36) return 'write-only is the least from 3.6 on';
  if (name === 'ETCD_DISCOVERY_FALLBACK' && value === 'proxy' && since36) return 'there are no proxies from 3.6 on';
  if (name !== GATE_SETTING) return undefined;
  const gates = gatesOf(value);
  const unknown = gates.find(([gate]) => {
    const since = Object.values(GATES).includes(gate) ? '3.6' : OTHER_GATES[gate];
    return since === undefined || minors.indexOf(since) > at;
  });
  if (unknown) return `it does not know the gate ${unknown[0]}`;
  const isOn = (gate: string) => gates.some(([one, on]) => one === gate && on === 'true');
  const isLame = isOn('LeaseCheckpointPersist') && !isOn('LeaseCheckpoint') && !isOn('AllAlpha');
  return isLame ? 'LeaseCheckpointPersist needs LeaseCheckpoint=true beside it' : undefined;
}

/**
 * Settings as a version knows them: under their other name, or as a feature gate and back. What it knows under no name
 * stays as it is given, for the reader of the settings to complain of.
 */
export function translateSettings(
  given: Readonly<Record<string, string>>,
  version: string,
): { settings: Record<string, string>; renamed: ReadonlyMap<string, string> } {
  const settings: Record<string, string> = {};
  const renamed = new Map<string, string>();
  const gates: string[] = [];
  const put = (name: string, value: string, from: string) => {
    if (name !== from) renamed.set(from, name);
    // What is given under the name that the version knows counts.
    if (name === from || given[name] === undefined) settings[name] = value;
  };
  for (const [name, value] of Object.entries(given)) {
    const other = otherName(name);
    const gate = GATES[name];
    if (name === GATE_SETTING) {
      if (knowsSetting(version, GATE_SETTING)) gates.push(value);
      else for (const [flag, on] of flagsOf(value)) put(flag, on, GATE_SETTING);
    } else if (knowsSetting(version, name)) put(name, value, name);
    else if (other !== undefined && knowsSetting(version, other)) put(other, value, name);
    else if (gate !== undefined && knowsSetting(version, GATE_SETTING)) {
      renamed.set(name, `${GATE_SETTING} (${gate})`);
      if (!given[GATE_SETTING]?.includes(`${gate}=`)) gates.unshift(`${gate}=${value}`);
    } else settings[name] = value;
  }
  if (gates.length > 0) settings[GATE_SETTING] = gates.join(',');
  return { settings, renamed };
}

/** Feature gates as the flags that they were; a gate that was no flag keeps the setting, which is then complained of. */
function flagsOf(gates: string): [string, string][] {
  return gatesOf(gates).map(([name, value]): [string, string] => {
    const flag = Object.keys(GATES).find((key) => GATES[key] === name);
    return flag === undefined ? [GATE_SETTING, gates] : [flag, value];
  });
}

function gatesOf(gates: string): [name: string, value: string][] {
  return gates
    .split(',')
    .filter((one) => one.trim() !== '')
    .map((one) => {
      const [name = '', value = ''] = one.split('=').map((part) => part.trim());
      return [name, value];
    });
}

/** A setting whose value or meaning is another where nobody sets it, from a minor version on. */
interface NewDefault {
  name: string;
  since: Minor;
  was: string;
  is: string;
  /** Of those that everybody should know of, also who does not set it. */
  note: string;
}

/** Read off what the servers themselves say (`etcd --help` of 3.3.25, 3.4.23, 3.5.35, 3.6.16, 3.7.3) and the upgrade guides. */
const DEFAULTS: readonly NewDefault[] = [
  { name: 'ETCD_CORS', since: '3.4', was: 'none', is: '*', note: 'web pages of any origin may ask' },
  {
    name: 'ETCD_ENABLE_V2',
    since: '3.4',
    was: 'true',
    is: 'false',
    note: 'the v2 API is no longer served unless it is set',
  },
  {
    name: 'ETCD_BACKEND_BBOLT_FREELIST_TYPE',
    since: '3.5',
    was: 'array',
    is: 'map',
    note: 'faster where the database is large',
  },
  { name: 'ETCD_PRE_VOTE', since: '3.5', was: 'false', is: 'true', note: 'a member that was away unseats no leader' },
  {
    name: 'ETCD_SNAPSHOT_COUNT',
    since: '3.6',
    was: '100000',
    is: '10000',
    note: 'the log is cut more often, and takes less memory',
  },
  {
    name: 'ETCD_V2_DEPRECATION',
    since: '3.6',
    was: 'not-yet',
    is: 'write-only',
    note: 'a member does not start on content of v2',
  },
];

/** A setting that does another thing under the same name and value, from a minor version on. */
interface NewMeaning {
  name: string;
  since: Minor;
  was: string;
  is: string;
}

/** From etcd's change logs and the servers' own help. */
const MEANINGS: readonly NewMeaning[] = [
  {
    name: 'ETCD_LISTEN_PEER_URLS',
    since: '3.6',
    was: 'answers clients too',
    is: 'answers members only, and no client any more',
  },
  { name: 'ETCD_V2_DEPRECATION', since: '3.6', was: 'counts', is: 'is ignored: write-only holds' },
];

/** What a version does with one setting. */
export interface SettingChange {
  name: string;
  /** `gone`: nothing takes its place. `default`: it is not set, and means another value. `means`: it is set, and does another thing. */
  kind: 'kept' | 'renamed' | 'gone' | 'added' | 'changed' | 'means' | 'default';
  /** In words, behind the name. */
  words: string;
}

/** Nobody's business: what is worked out anew for each version, and the old name of what stands beside it. */
const SILENT = ['PLAY_TRUSTED_CA'];

/**
 * What becomes of each setting that a member runs with, on the way to another version: for people who want to know before.
 * @param now its etcd.conf as it is.
 * @param then its etcd.conf as it would be rendered for the other version.
 */
export function settingChanges(
  { from, to }: { from: string; to: string },
  now: ReadonlyMap<string, string>,
  then: ReadonlyMap<string, string>,
): SettingChange[] {
  const names = [...new Set([...now.keys(), ...then.keys()])].filter((name) => !SILENT.includes(name));
  const targets = new Set<string>();
  const lines = names.flatMap((name): SettingChange[] => {
    const [old, fresh] = [now.get(name), then.get(name)];
    if (old !== undefined && fresh !== undefined) {
      const meaning = newMeaning(name, from, to);
      if (old === fresh && meaning !== undefined) return [{ name, kind: 'means', words: meaning }];
      if (old === fresh) return [{ name, kind: 'kept', words: 'as it is' }];
      return [{ name, kind: 'changed', words: `${old} becomes ${fresh}` }];
    }
    if (old === undefined) return [];
    const other = otherName(name);
    const gate = GATES[name];
    if (other !== undefined && then.has(other)) {
      targets.add(other);
      return [{ name, kind: 'renamed', words: `is ${other} there` }];
    }
    if (gate !== undefined && then.get(GATE_SETTING)?.includes(`${gate}=`)) {
      targets.add(GATE_SETTING);
      return [{ name, kind: 'renamed', words: `is the feature gate ${gate} there` }];
    }
    const twin = twinOf(name, then);
    if (twin !== undefined) {
      targets.add(twin);
      return [{ name, kind: 'renamed', words: `is ${twin} there` }];
    }
    return [{ name, kind: 'gone', words: knowsSetting(to, name) ? 'is set no longer' : `${to} does not know it` }];
  });
  const added = names
    .filter((name) => !now.has(name) && !targets.has(name))
    .map((name): SettingChange => ({ name, kind: 'added', words: `is ${then.get(name)} there` }));
  return [...lines, ...added, ...newDefaults(from, to, then)].sort(
    (a, b) => RANK.indexOf(a.kind) - RANK.indexOf(b.kind) || (a.name < b.name ? -1 : 1),
  );
}

const RANK: SettingChange['kind'][] = ['gone', 'renamed', 'changed', 'means', 'default', 'added', 'kept'];

/** What etcd-play renders itself under other names. */
function twinOf(name: string, then: ReadonlyMap<string, string>): string | undefined {
  const twins: Record<string, string> = {
    ETCD_DEBUG: 'ETCD_LOG_LEVEL',
    ETCD_LOG_PACKAGE_LEVELS: 'ETCD_LOG_LEVEL',
    ETCD_LOG_LEVEL: 'ETCD_DEBUG',
    [GATE_SETTING]: 'ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK',
  };
  const twin = twins[name];
  return twin !== undefined && then.has(twin) ? twin : undefined;
}

/** Whether the way from one version to the other leads over the beginning of a minor version. */
function crossing(from: string, to: string, since: Minor): 'up' | 'down' | undefined {
  const at = (version: string) => minors.indexOf(minorOf(version)!);
  const [first, last, turn] = [at(from), at(to), minors.indexOf(since)];
  if (first < turn && turn <= last) return 'up';
  return last < turn && turn <= first ? 'down' : undefined;
}

function newMeaning(name: string, from: string, to: string): string | undefined {
  const found = MEANINGS.find((one) => one.name === name && crossing(from, to, one.since) !== undefined);
  return found && (crossing(from, to, found.since) === 'up' ? found.is : found.was);
}

function newDefaults(from: string, to: string, then: ReadonlyMap<string, string>): SettingChange[] {
  return DEFAULTS.flatMap(({ name, since, was, is, note }): SettingChange[] => {
    const way = crossing(from, to, since);
    const isSet = then.has(name) || then.has(otherName(name) ?? '');
    if (way === undefined || isSet || !(knowsSetting(from, name) || knowsSetting(to, name))) return [];
    const [before, after] = way === 'up' ? [was, is] : [is, was];
    return [{ name, kind: 'default', words: `not set: ${before} becomes ${after}${way === 'up' ? ` (${note})` : ''}` }];
  });
}
