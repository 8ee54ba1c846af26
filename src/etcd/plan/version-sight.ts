import { compareVersions, type Minor, minorOf } from '../versions.ts';
import type { Refusal } from './plan.ts';
import { hasData } from './seen.ts';
import type { ClusterState, MemberSight } from './sight.ts';

/** What lies and runs on a host, by version. */
export interface HostVersions {
  /** Of the process; undefined where none runs, or it is not ours. */
  runs: string | undefined;
  /** Where the link to the binaries leads. */
  linked: string | undefined;
  /** What etcd.conf says that it was written for; undefined where its template does not say. */
  configured: string | undefined;
  /** What ran before, as it was kept when another version was brought. */
  kept: string | undefined;
  /** Releases that are unpacked. */
  installed: readonly string[];
}

/** What is known of versions beside the sight of the cluster. */
export interface VersionSight {
  hosts: ReadonlyMap<string, HostVersions>;
  /** What the cluster calls itself: the least that its members ran when they last agreed. */
  cluster: Minor | undefined;
  /** The minor version of each member's data; from 3.6 on. */
  storage: ReadonlyMap<string, string>;
  /** The minor version that an enabled downgrade goes to. */
  downgrade: string | undefined;
  auth: boolean | undefined;
  /** The v2 API: not served, served and empty, or with keys. */
  v2: 'off' | 'empty' | 'content' | undefined;
  /** What `etcdutl check v2store` finds in a host's data; empty where it finds nothing. Looked at before 3.6 is brought. */
  v2Left: ReadonlyMap<string, string>;
}

/** Whether the tool's last words are a finding, not a failure of its own (E/etcdutl/etcdutl/check_command.go). */
export function isContentOfV2(words: string): boolean {
  return /custom v2 content|custom content/.test(words);
}

/** The version of a member: of its process, else that which its host would start. */
export function versionAt({ hosts }: VersionSight, host: string): string | undefined {
  const found = hosts.get(host);
  return found?.runs ?? found?.linked;
}

/** All of a host is of this version, and its process runs it. */
export function isOn({ hosts }: VersionSight, host: string, version: string): boolean {
  const found = hosts.get(host);
  if (!found) return false;
  const { runs, linked, configured } = found;
  return runs === version && linked === version && (configured === undefined || configured === version);
}

/** Members with their hosts and versions, the oldest and the newest of them. */
export interface Spread {
  members: { host: string; version: string; sight: MemberSight }[];
  oldest: string;
  newest: string;
  isMixed: boolean;
}

/** How versions are spread over the members; or why that cannot be said. */
export function spreadOf(state: ClusterState, versions: VersionSight): Spread | Refusal[] {
  const unknown: Refusal[] = [];
  const members = state.members.flatMap((sight) => {
    const { host } = sight;
    const version = host === undefined ? undefined : versionAt(versions, host);
    if (host !== undefined && version !== undefined && minorOf(version)) return [{ host, version, sight }];
    // Those that are lost, strangers or without data are complained of as such.
    if (host !== undefined && sight.seen && (sight.status || hasData(sight.seen))) {
      unknown.push({
        host,
        reason: version === undefined ? 'which version of etcd it has cannot be seen' : `etcd ${version} runs here`,
        next: 'etcd-play did not install it: /usr/local/bin/etcd leads to no release in /opt/etcd. Adopt the cluster first.',
      });
    }
    return [];
  });
  if (unknown.length > 0) return unknown;
  const all = members.map(({ version }) => version).sort(compareVersions);
  const [oldest = '', newest = ''] = [all[0], all.at(-1)];
  return { members, oldest, newest, isMixed: oldest !== newest };
}

/** Some hosts were switched already: a member that is down may be one that the switch has brought down. */
export function isBegun({ members, oldest, isMixed }: Spread, { hosts }: VersionSight): boolean {
  return (
    isMixed || members.some(({ host }) => hosts.get(host)?.linked !== oldest || hosts.get(host)?.kept !== undefined)
  );
}

/** `3.5.0` and `3.5` are one: by minor version. */
export function sameMinor(a: string, b: string): boolean {
  return minorOf(a) === minorOf(b);
}
