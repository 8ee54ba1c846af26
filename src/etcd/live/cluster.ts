import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PlayError, UnreachableError } from '../../errors.ts';
import { describeCertificate } from '../../pki/certificate.ts';
import { ensurePki } from '../../pki/store.ts';
import type { RunContext, Task } from '../../runner/playbook.ts';
import { once, step } from '../../runner/playbook.ts';
import { CLIENT_ID, clientIdentity, localCa, peerId, pkiRequest, serverId } from '../certificates.ts';
import type { ClientIdentity, MemberClient } from '../client.ts';
import { renderConfiguration } from '../configuration.ts';
import { askMember, lookAtHost, type MemberAnswer } from '../look.ts';
import type { MemberCertificates } from '../member.ts';
import type { HostFacts } from '../observe.ts';
import type { MemberPair } from '../plan/action.ts';
import type { Refusal } from '../plan/plan.ts';
import type { SeenHost } from '../plan/seen.ts';
import { assess, type ClusterSight, type ClusterState, isSettling, type LostHost } from '../plan/sight.ts';
import { ARCHITECTURES, type ClockReading, clockComplaints, hostComplaints } from '../preflight.ts';
import { type EtcdSettings, type GivenVariable, readClusterSettings } from '../variables.ts';
import { noIdentityError, noLeaderError } from './errors.ts';

interface OpenOptions {
  /** Hosts may have nobody to be trusted by yet: a CA is made where there is none. */
  issue?: boolean;
  /** Another version is what the operation brings. */
  brings?: boolean;
  /** A CA that is not valid any more is what the operation replaces. */
  mayHaveEnded?: boolean;
}

/** How many election timeouts a cluster may take to choose a leader, before it is taken as it is. */
const ELECTIONS = 10;
const LEAST_LOOKS = 10;
const POLL_MS = 200;

/**
 * A running cluster, as an operation sees it and reaches it. Nothing of it is kept: a run that was ended finds it again
 * by looking. Hosts that are lost are noted, not failed on: which of them matter is for plans to say.
 */
export class LiveCluster {
  readonly run: RunContext;
  #ca: string;
  #identity: ClientIdentity;
  #settings: Map<string, EtcdSettings>;
  readonly #seen = new Map<string, SeenHost>();
  readonly #lastSeen = new Map<string, SeenHost>();
  readonly #lost = new Map<string, LostHost>();
  readonly #clocks = new Map<string, ClockReading>();
  readonly #answers = new Map<string, MemberAnswer>();
  /** Another version is what the operation brings: nothing to be warned of. */
  #brings = false;
  /** It was waited for in vain: how it stands does not change by itself. */
  #stands = false;

  private constructor(run: RunContext, ca: string, identity: ClientIdentity, settings: Map<string, EtcdSettings>) {
    this.run = run;
    this.#ca = ca;
    this.#identity = identity;
    this.#settings = settings;
    run.onEnd(async () => {
      await Promise.all([...this.#answers.values()].map(({ client }) => client?.close()));
    });
  }

  /** Reads the input: nothing is touched before all of it is in order. @throws InputError, PlayError without certificates. */
  static async open(
    run: RunContext,
    { issue = false, brings = false, mayHaveEnded = false }: OpenOptions = {},
  ): Promise<LiveCluster> {
    const settings = readSettings(run);
    const [first] = settings.values();
    const { certLocalDir } = first!;
    if (issue && (await localCa(certLocalDir)) === undefined) return LiveCluster.#withNewCa(run, first!, settings);
    const ca = await localCa(certLocalDir, { mayHaveEnded });
    const identity = clientIdentity(certLocalDir, ca);
    if (ca === undefined || !identity) throw noIdentityError(certLocalDir);
    const cluster = new LiveCluster(run, ca, identity, settings);
    cluster.#brings = brings;
    return cluster;
  }

  /** New hosts have nobody to be trusted by yet. In check mode what is made is thrown away again. */
  static async #withNewCa(run: RunContext, first: EtcdSettings, settings: Map<string, EtcdSettings>) {
    const dir = run.check ? await mkdtemp(join(tmpdir(), 'play-check-')) : first.certLocalDir;
    if (run.check) run.onEnd(() => rm(dir, { recursive: true, force: true }));
    const members = [{ settings: { ...first, certLocalDir: dir }, hostName: '' }];
    const request = pkiRequest(members);
    const wishes = request.wishes.filter(({ id }) => id === CLIENT_ID);
    const { caPem, pairs } = await ensurePki({ ...request, wishes });
    return new LiveCluster(run, caPem, { caPem, ...pairs.get(CLIENT_ID)! }, settings);
  }

  /** The CA certificates that lie on the control machine. */
  get ca(): string {
    return this.#ca;
  }

  get identity(): ClientIdentity {
    return this.#identity;
  }

  /** Where the certificates on the control machine were changed: what is opened from now on goes by these. */
  async readCertificates(): Promise<void> {
    const { certLocalDir } = this.allSettings[0]!;
    const ca = await localCa(certLocalDir, { mayHaveEnded: true });
    const identity = clientIdentity(certLocalDir, ca);
    if (ca === undefined || !identity) throw noIdentityError(certLocalDir);
    this.#ca = ca;
    this.#identity = identity;
  }

  own(host: string): EtcdSettings {
    return this.#settings.get(host)!;
  }

  /** The settings of all hosts as another version knows them. @throws ManyErrors with what it does not know. */
  settingsAt(version: string): Map<string, EtcdSettings> {
    return readSettings(this.run, version);
  }

  get allSettings(): EtcdSettings[] {
    return [...this.#settings.values()];
  }

  /** Tasks that look at all hosts, and ask their members. `asItIs`: also in the midst of an election. */
  look({ asItIs = false } = {}): Task[] {
    const judge = async () => {
      if (!asItIs) await this.#untilSettled();
      await this.#goByVersion();
    };
    return [
      step('Host is looked at', ({ host }) => this.#lookAt(host, true), { check: 'run' }),
      once('Cluster is judged', judge, { check: 'run' }),
    ];
  }

  /** The same, within a task: as it is now. */
  async lookAgain(): Promise<void> {
    await Promise.all(this.run.allHosts.map((host) => this.#lookAt(host, false)));
  }

  /** The same, after a change: as it stands once a leader is chosen. */
  async lookWhenSettled(): Promise<void> {
    await this.lookAgain();
    await this.#untilSettled();
  }

  /** What is seen while a leader is chosen is not how the cluster stands. */
  async #untilSettled(): Promise<void> {
    const longest = Math.max(...this.allSettings.map(({ electionTimeoutMs }) => electionTimeoutMs));
    const deadline = performance.now() + ELECTIONS * longest;
    for (let looks = 1; isSettling(this.state()); looks++) {
      const isOver = looks > LEAST_LOOKS && performance.now() > deadline;
      if (this.#stands || isOver || this.run.signal.aborted) {
        this.#stands = true;
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      await this.lookAgain();
    }
    this.#stands = false;
  }

  sight(): ClusterSight {
    const { allHosts } = this.run;
    return {
      hosts: allHosts.flatMap((host) => this.#seen.get(host) ?? []),
      lost: allHosts.flatMap((host) => this.#lost.get(host) ?? []),
      clientEnded: endOf(this.#identity.certPem),
    };
  }

  state(): ClusterState {
    return assess(this.sight());
  }

  /** @throws UnreachableError for a host that is lost. */
  seen(host: string): SeenHost {
    const seen = this.#seen.get(host);
    if (seen) return seen;
    const reason = this.#lost.get(host)?.reason ?? 'it was not looked at';
    throw new UnreachableError(reason, { host, next: 'Bring the host back, then run the same command again.' });
  }

  /** The same of a host that may be lost since: what lies where on its disks does not change by that. */
  lastSeen(host: string): SeenHost {
    return this.#lastSeen.get(host)!;
  }

  isSeen(host: string): boolean {
    return this.#seen.has(host);
  }

  /** Hosts that were seen, in the order of the inventory. */
  get hosts(): string[] {
    return this.run.allHosts.filter((host) => this.#seen.has(host));
  }

  get answers(): ReadonlyMap<string, MemberAnswer> {
    return this.#answers;
  }

  archOf(host: string): 'amd64' | 'arm64' {
    return ARCHITECTURES[this.seen(host).facts.machine]!;
  }

  /** What speaks against a host as a new member; what is only doubtful is said. */
  complaintsAbout(hosts: readonly string[]): Refusal[] {
    const { errors, warnings } = clockComplaints([...this.#clocks.values()]);
    for (const warning of warnings) this.run.say(warning, 'warning');
    const own = hosts.flatMap((host) => {
      const seen = this.#seen.get(host);
      const complaints = seen ? hostComplaints(seen.facts, seen.settings) : [];
      return complaints.map(({ message: reason, next }) => ({ host, reason, next }));
    });
    return [...own, ...errors.map(({ message: reason, next }) => ({ reason, next }))];
  }

  /** The open client of a host's member. @throws PlayError where the member does not answer. */
  client(host: string): MemberClient {
    const { client } = this.#answers.get(host) ?? {};
    if (!client) throw noLeaderError(`the member on ${host} does not answer`);
    return client;
  }

  /** The client of the member that leads now: changes are sent there. */
  leaderClient(): MemberClient {
    const { leader } = this.state();
    if (!leader?.host) throw noLeaderError('the cluster has no leader that can be asked');
    return this.client(leader.host);
  }

  async ask(host: string): Promise<MemberAnswer> {
    const old = this.#answers.get(host);
    const answer = await askMember(await this.run.connect(host), this.listening(host), this.identity, true);
    this.#answers.set(host, answer);
    await old?.client?.close();
    return answer;
  }

  /** The etcd.conf of a host in a cluster that has formed. */
  configuration(
    host: string,
    pairs: readonly MemberPair[],
    trustedCa = this.ca,
    settings: EtcdSettings = this.own(host),
  ): string {
    return renderConfiguration({
      settings,
      initialCluster: pairs,
      state: 'existing',
      arch: this.archOf(host),
      trustedCa,
      templateDirs: this.run.templateDirs,
    });
  }

  /** What lies in CERT_LOCAL_DIR for these hosts; what is due is issued there first. */
  async certificates(
    hosts: readonly string[],
    retired?: ReadonlySet<string>,
  ): Promise<{ issued: number; of(host: string): MemberCertificates }> {
    const members = hosts.map((host) => ({ settings: this.own(host), hostName: this.seen(host).facts.hostName }));
    const { caPem, pairs, plan } = await ensurePki({ ...pkiRequest(members), ...(retired && { retired }) });
    const pair = (id: string) => pairs.get(id)!;
    return {
      issued: plan.leaves.filter(({ action }) => action !== 'keep').length,
      of: (host) => {
        const { name } = this.own(host);
        return { caPem, server: pair(serverId(name)), peer: pair(peerId(name)), client: pair(CLIENT_ID) };
      },
    };
  }

  /** A host is lost for the whole run: what it is like now nobody knows. */
  async #lookAt(host: string, first: boolean): Promise<{ summary?: string }> {
    if (this.#lost.has(host)) return {};
    try {
      const connection = await this.run.connect(host);
      const { facts, clock } = await lookAtHost(connection, this.own(host));
      if (first) this.#clocks.set(host, clock);
      const runs = ['active', 'activating'].includes(facts.service.activeState);
      const answer = runs ? await this.#askOnce(host, facts) : {};
      if (!runs) await this.#forget(host);
      const { api, status, peers } = answer;
      // What is wanted is compared by its settings; the list of members is compared by itself.
      const wanted = this.#wanted(host, facts.machine);
      const seen = { host, settings: this.own(host), facts, wanted, api, status, peers };
      this.#seen.set(host, seen);
      this.#lastSeen.set(host, seen);
      return api
        ? { summary: `etcd ${api.status.version}` }
        : { summary: runs ? 'etcd does not answer' : 'etcd does not run' };
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      this.#seen.delete(host);
      await this.#forget(host);
      this.#lost.set(host, { host, settings: this.own(host), reason: (error as PlayError).message });
      return { summary: 'unreachable' };
    }
  }

  /** By the client that is open, else anew. */
  async #askOnce(host: string, facts: HostFacts): Promise<MemberAnswer> {
    const serving = facts.service.activeState === 'active';
    const { client } = this.#answers.get(host) ?? {};
    if (client && serving) {
      try {
        const [status, members] = await Promise.all([client.status(3_000), client.members(3_000)]);
        const answer = { client, status, api: { status, members } };
        this.#answers.set(host, answer);
        return answer;
      } catch {
        // It may be a learner, or its connection that of a process that has ended: asked anew.
      }
    }
    await this.#forget(host);
    const answer = await askMember(await this.run.connect(host), this.listening(host, facts), this.identity, serving);
    this.#answers.set(host, answer);
    return answer;
  }

  /** A process listens where it was told to at its start, whatever is wanted by now. */
  listening(host: string, facts = this.#seen.get(host)?.facts): EtcdSettings {
    const urls = (name: string) => facts?.running?.environment.get(name)?.split(',');
    const own = this.own(host);
    return {
      ...own,
      listenClientUrls: urls('ETCD_LISTEN_CLIENT_URLS') ?? own.listenClientUrls,
      listenPeerUrls: urls('ETCD_LISTEN_PEER_URLS') ?? own.listenPeerUrls,
      certDir: facts?.running?.environment.get('ETCD_CERT_FILE')?.replace(/\/[^/]*$/, '') ?? own.certDir,
    };
  }

  async #forget(host: string): Promise<void> {
    const old = this.#answers.get(host);
    this.#answers.delete(host);
    await old?.client?.close();
  }

  /** The cluster's own version is what counts, whatever the inventory says: another one is brought by upgrade_etcd. */
  async #goByVersion(): Promise<void> {
    const [running] = this.state().versions;
    const wanted = this.allSettings[0]!.version;
    if (running === undefined || running === wanted) return;
    this.#settings = readSettings(this.run, running);
    await this.lookAgain();
    if (this.#brings) return;
    const how = `play upgrade_etcd changes that`;
    this.run.say(`etcd ${running} runs, and ETCD_VERSION is ${wanted}: ${running} it stays (${how})`, 'warning');
  }

  #wanted(host: string, machine: string): string {
    return renderConfiguration({
      settings: this.own(host),
      initialCluster: [],
      state: 'existing',
      arch: ARCHITECTURES[machine] ?? 'amd64',
      trustedCa: this.ca,
      templateDirs: this.run.templateDirs,
    });
  }
}

function readSettings(run: RunContext, version?: string): Map<string, EtcdSettings> {
  const given = (host: string): Iterable<GivenVariable> => {
    const vars = [...run.varsOf(host).values()];
    if (version === undefined) return vars;
    const origin = { file: 'the running cluster', line: 0, scope: 'cluster' };
    return [
      ...vars.filter(({ name }) => name !== 'ETCD_VERSION'),
      { name: 'ETCD_VERSION', value: version, raw: version, origin },
    ];
  };
  return readClusterSettings(
    run.allHosts.map((host) => ({ host, vars: given(host) })),
    run.inventoryDir,
    ({ message, file, line }) => {
      if (version === undefined) run.say(file ? `${file}:${line}: ${message}` : message, 'warning');
    },
  );
}

/** When a certificate ended; undefined while it is valid. */
function endOf(certPem: string): Date | undefined {
  const { notAfter, daysLeft } = describeCertificate(new X509Certificate(certPem));
  return daysLeft < 0 ? notAfter : undefined;
}
