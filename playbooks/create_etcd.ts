import { once, play, playbook, step, task } from 'etcd-play';
import {
  ARCHITECTURES,
  accountResources,
  askMember,
  binaryResources,
  CLIENT_ID,
  type ClientIdentity,
  type ClockReading,
  type CreatePlan,
  certificateResources,
  clientIdentity,
  clockComplaints,
  clusterReport,
  complaintsError,
  configurationResource,
  directoryResources,
  type EndpointHealth,
  type EtcdSettings,
  ensurePki,
  etcdVariables,
  hostComplaints,
  localCa,
  lookAtHost,
  type MemberAnswer,
  obtainRelease,
  peerId,
  pkiRequest,
  planCreate,
  planPki,
  planText,
  proveMember,
  type Release,
  readClusterSettings,
  refusalError,
  releaseResources,
  renderConfiguration,
  type SeenHost,
  sameMachines,
  serverId,
  setAside,
  silentError,
  sizeWarning,
  startEtcd,
  stopForGood,
  surroundingsResources,
  unitResources,
  untilMembersAgree,
  untilPeerAnswers,
  waitUntilReady,
  wantsSurroundings,
} from 'etcd-play/etcd';

/** How long the members may take to find each other and elect a leader, and then to agree on everything. */
const FORMING_MS = 120_000;
const AGREEING_MS = 30_000;

export default playbook({
  name: 'create_etcd',
  description: 'make a TLS etcd cluster of the hosts in [etcd], or finish one that was begun',
  hosts: 'etcd',
  alsoReads: etcdVariables,
  whole: true,

  async plays(run) {
    // The input first: nothing is touched before all of it is in order.
    const settings = readClusterSettings(
      run.allHosts.map((host) => ({ host, vars: run.varsOf(host).values() })),
      run.inventoryDir,
      ({ message, file, line }) => run.say(file ? `${file}:${line}: ${message}` : message, 'warning'),
    );
    const all = [...settings.values()];
    const own = (host: string) => settings.get(host)!;
    const evenNumber = sizeWarning(all.length);
    if (evenNumber) run.say(evenNumber, 'warning');
    const { certLocalDir, releaseDir, releaseUrl, version } = all[0]!;
    const ca = await localCa(certLocalDir);

    // What is seen on the way. None of it is kept: a run that was ended finds it again by looking.
    const seen = new Map<string, SeenHost>();
    const clocks = new Map<string, ClockReading>();
    const answers = new Map<string, MemberAnswer>();
    const health = new Map<string, EndpointHealth>();
    const releases = new Map<string, Release>();
    let identity: ClientIdentity | undefined = clientIdentity(certLocalDir, ca);
    let pki: Awaited<ReturnType<typeof ensurePki>> | undefined;
    let plan: Exclude<CreatePlan, { kind: 'refused' }>;
    let woken: readonly string[] = [];

    run.onEnd(async () => void (await Promise.all([...answers.values()].map(({ client }) => client?.close()))));

    const ask = async (host: string) => askMember(await run.connect(host), own(host), identity!, true);
    const archOf = (host: string) => ARCHITECTURES[seen.get(host)!.facts.machine]!;
    const initialCluster = all.map(({ name, advertisePeerUrl }) => ({ name, peerUrl: advertisePeerUrl }));
    const configuration = (host: string, state: 'new' | 'existing', arch: 'amd64' | 'arm64') =>
      renderConfiguration({
        settings: own(host),
        initialCluster,
        state,
        arch,
        trustedCa: pki?.caPem ?? ca,
        templateDirs: run.templateDirs,
      });
    const request = () =>
      pkiRequest(all.map((one) => ({ settings: one, hostName: seen.get(one.host)!.facts.hostName })));
    const certificatesOf = ({ name }: EtcdSettings) => {
      const pair = (id: string) => pki!.pairs.get(id)!;
      return (
        pki && { caPem: pki.caPem, server: pair(serverId(name)), peer: pair(peerId(name)), client: pair(CLIENT_ID) }
      );
    };

    const look = [
      step(
        'Host is looked at',
        async ({ host, connect }) => {
          const { facts, clock } = await lookAtHost(await connect(), own(host));
          clocks.set(host, clock);
          const complaints = hostComplaints(facts, own(host));
          if (complaints.length > 0) throw complaintsError(host, complaints);
          const wanted = configuration(host, 'existing', ARCHITECTURES[facts.machine]!);
          seen.set(host, { host, settings: own(host), facts, wanted });
        },
        { check: 'run' },
      ),
      step(
        'Member is asked',
        async ({ host, connect }) => {
          const { activeState } = seen.get(host)!.facts.service;
          if (!identity || (activeState !== 'active' && activeState !== 'activating')) return { skipped: true };
          await answers.get(host)?.client?.close();
          const answer = await askMember(await connect(), own(host), identity, activeState === 'active');
          answers.set(host, answer);
          seen.set(host, { ...seen.get(host)!, api: answer.api, peers: answer.peers });
        },
        { check: 'run' },
      ),
      once(
        'Hosts are judged together',
        () => {
          const { errors, warnings } = clockComplaints([...clocks.values()]);
          for (const warning of warnings) run.say(warning, 'warning');
          const looked = run.allHosts.flatMap((host) => seen.get(host) ?? []);
          const machines = looked.map(({ host, facts }) => ({ host, machineId: facts.machineId }));
          const complaints = [...errors, ...sameMachines(machines)];
          if (complaints.length > 0) throw complaintsError(undefined, complaints);
        },
        { check: 'run' },
      ),
    ];

    const judge = () => {
      const hosts = run.allHosts.map((host) => seen.get(host)!);
      return planCreate({ hosts, limited: run.hosts, ca, certLocalDir });
    };
    const drifted = () => {
      const judged = judge();
      return judged.kind === 'refused' ? judged.drifted : [];
    };

    const decide = once(
      'Plan is made',
      () => {
        const decided = judge();
        if (decided.kind === 'refused') throw refusalError(decided.refusals, woken);
        plan = decided;
        if (woken.length > 0 && plan.wake.length > 0) throw silentError(plan.wake);
        woken = plan.wake;
        const title = `${plan.formed ? 'complete the cluster of' : 'form a cluster of'} ${all.length}, etcd ${version}`;
        if (plan.kind === 'nothing') return { summary: 'nothing to do' };
        run.say(`\n${planText(title, plan.steps)}`);
        return { summary: plan.kind };
      },
      { check: 'run' },
    );

    const certificatesAtHand = once(
      'Certificates are at hand',
      async () => {
        const { leaves, warnings } = await planPki(request());
        for (const warning of warnings) run.say(warning, 'warning');
        const due = leaves.filter(({ action }) => action !== 'keep').length;
        if (run.check && due > 0) return { summary: `${due} to be issued in ${certLocalDir}` };
        pki = await ensurePki(request());
        identity = clientIdentity(certLocalDir, pki.caPem);
        return { changed: due > 0, summary: due > 0 ? `${due} issued in ${certLocalDir}` : '' };
      },
      { check: 'run' },
    );

    return [
      play('Look', { hosts: run.allHosts, gather: true, tasks: look }),
      // What a refusal names, check mode shows.
      play('Compare', {
        when: () => run.check && drifted().length > 0,
        hosts: drifted,
        tasks: [
          task('etcd.conf is as wanted', ({ host }) =>
            configurationResource(own(host), configuration(host, 'existing', archOf(host))),
          ),
        ],
      }),
      play('Plan', { tasks: [decide] }),

      play('Wake', {
        when: () => plan.wake.length > 0 && !run.check,
        hosts: () => plan.wake,
        tasks: [
          // Without a client certificate nobody can be asked.
          certificatesAtHand,
          step('Member with data is started and asked', async ({ host, connect, signal }) => {
            await startEtcd(await connect());
            await untilPeerAnswers(await connect(), own(host), identity!, signal);
            return { changed: true };
          }),
        ],
      }),
      play('Look again', { when: () => plan.wake.length > 0 && !run.check, hosts: run.allHosts, tasks: look }),
      play('Plan again', { when: () => plan.wake.length > 0 && !run.check, tasks: [decide] }),

      play('Set aside', {
        when: () => plan.blank.length > 0 && !run.check,
        hosts: () => plan.blank,
        tasks: [
          step('Log without a record is put aside', async ({ host, connect }) => {
            const connection = await connect();
            await stopForGood(connection);
            // It may have come to write one, before it was stopped.
            const { facts } = await lookAtHost(connection, own(host));
            if (!facts.data.isBlank) return { skipped: true };
            const places = await setAside(connection, own(host));
            return { changed: true, summary: places.join(' ') };
          }),
        ],
      }),

      play('Prepare', {
        when: () => plan.wake.length === 0,
        tasks: [
          once(
            'Release is at hand',
            async () => {
              for (const arch of new Set(plan.install.map(archOf))) {
                const { signal } = run;
                releases.set(arch, await obtainRelease({ version, arch, dir: releaseDir, url: releaseUrl, signal }));
              }
              return { skipped: releases.size === 0 };
            },
            { check: 'skip' },
          ),
          certificatesAtHand,
          task('Release is installed', ({ host, progress }) =>
            releaseResources(own(host), releases.get(archOf(host)), !plan.install.includes(host), progress),
          ),
          task('Binaries are linked', ({ host }) => binaryResources(own(host))),
          task('User is there', ({ host }) => accountResources(own(host))),
          task('Directories are there', ({ host }) => directoryResources(own(host))),
          task('Certificates are in place', ({ host }) => certificateResources(own(host), certificatesOf(own(host)))),
          task('etcd.conf is in place', ({ host }) =>
            configurationResource(own(host), configuration(host, plan.state, archOf(host))),
          ),
          task('etcd.service is in place', ({ host }) => unitResources(own(host), run.templateDirs)),
          ...(wantsSurroundings(all)
            ? [task('Surroundings are as wanted', ({ host }) => surroundingsResources(own(host), all))]
            : []),
        ],
      }),

      play('Start', {
        when: () => plan.start.length > 0 && !run.check,
        hosts: () => plan.start,
        tasks: [
          step('etcd is started', async ({ connect }) => {
            await startEtcd(await connect());
            return { changed: true };
          }),
        ],
      }),

      play('Prove', {
        when: () => !run.check,
        hosts: run.allHosts,
        tasks: [
          step('etcd is ready', async ({ host, connect, signal }) => {
            if (answers.get(host)?.api) return;
            await waitUntilReady(await connect(), FORMING_MS, signal);
            answers.set(host, await ask(host));
          }),
          once('Members agree', () => untilMembersAgree(answers, ask, AGREEING_MS, run.signal)),
          step('Reads and writes pass', async ({ host }) => {
            const write = plan.kind !== 'nothing';
            health.set(host, await proveMember(own(host), answers.get(host)!.client!, { write }));
          }),
        ],
      }),

      play('Settle', {
        when: () => plan.settle.length > 0 && !run.check,
        hosts: () => plan.settle,
        tasks: [
          task('etcd.conf says existing', ({ host }) =>
            configurationResource(own(host), configuration(host, 'existing', archOf(host))),
          ),
        ],
      }),

      play('Report', {
        when: () => !run.check,
        tasks: [
          once('Cluster is shown', () => {
            const inOrder = run.allHosts.flatMap((host) => health.get(host) ?? []);
            run.say(clusterReport(all, answers, inOrder));
          }),
        ],
      }),
    ];
  },
});
