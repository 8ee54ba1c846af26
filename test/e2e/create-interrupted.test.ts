import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { openGate, reachedGate, shutGate } from './gate.ts';
import { killAt, type PlayResult, runPlay, signalAt } from './play.ts';
import { OwnClock } from './standstill.ts';
import { etcdctl, fingerprint, membersSeenBy } from './witness.ts';

const LAB = 'mx-interrupted';
const HOSTS = ['h1', 'h2', 'h3'];
/** Two unanswered keep-alives, and what a slow machine needs beside. */
const NOTICED_MS = 15_000;
const clock = new OwnClock();
let lab: Lab;

beforeAll(async () => {
  await ensureRelease('3.5.16');
  lab = await openLab({ name: LAB, hosts: 3, fresh: true, vars: etcdVars(LAB, '3.5.16') });
});
afterAll(() => lab?.down());

const onEach = <T>(hosts: readonly string[], work: (host: string) => Promise<T>) => Promise.all(hosts.map(work));
const on = async (host: string, command: string) => (await lab.exec(host, command)).stdout;

/** A cluster of some of the hosts, with an inventory and certificates of its own. */
interface Cluster {
  hosts: readonly string[];
  inventory: string;
  pki: string;
}

async function clusterOf(hosts: readonly string[], name = hosts.join('-')): Promise<Cluster> {
  const inventory = join(lab.dir, `${name}.ini`);
  const pki = join(lab.dir, `pki-${name}`);
  const vars = { ...etcdVars(LAB, '3.5.16'), CERT_LOCAL_DIR: pki };
  await lab.writeInventory(inventory, { hosts, vars });
  return { hosts, inventory, pki };
}

const create = (
  cluster: Cluster,
  onLine?: (line: string, child: ChildProcess) => void,
  env: NodeJS.ProcessEnv = {},
): Promise<PlayResult> =>
  runPlay(['create_etcd', '-i', cluster.inventory, '--output', 'lines'], { env, ...(onLine && { onLine }) });

/** Kills `play` as soon as it has printed that line for the `times`th time. */
async function killedAt(cluster: Cluster, line: RegExp, times = 1): Promise<void> {
  const { code, text } = await create(cluster, undefined, killAt(line, times));
  expect(code, `${line}: ${text}`).toBeNull();
}

/** As if create_etcd had never been here; what takes long, the release, is left where it is. */
async function undo({ hosts, pki }: Cluster, release = false): Promise<void> {
  const script = [
    'systemctl kill --signal=KILL etcd; systemctl disable --quiet --now etcd; systemctl reset-failed etcd',
    'rm -rf /var/lib/etcd /etc/etcd /etc/systemd/system/etcd.service /usr/local/bin/etcd*; userdel etcd 2>/dev/null',
    release ? 'rm -rf /opt/etcd' : ':',
    'systemctl daemon-reload',
  ];
  rmSync(pki, { recursive: true, force: true });
  await onEach(hosts, (host) => lab.exec(host, script.join('\n')));
}

/** All is in place for a first start, and nothing was started. */
async function unform({ hosts }: Cluster): Promise<void> {
  const script =
    'systemctl kill --signal=KILL etcd; systemctl stop etcd; rm -rf /var/lib/etcd/member; sed -i s/^ETCD_INITIAL_CLUSTER_STATE=.*/ETCD_INITIAL_CLUSTER_STATE=\\"new\\"/ /etc/etcd/etcd.conf';
  await onEach(hosts, (host) => lab.exec(host, script));
}

const asIfNotSettled = ({ hosts }: Cluster) =>
  onEach(hosts, (host) =>
    lab.exec(host, 'sed -i s/^ETCD_INITIAL_CLUSTER_STATE=.*/ETCD_INITIAL_CLUSTER_STATE=\\"new\\"/ /etc/etcd/etcd.conf'),
  );

/** What must not change from one run to the next once it is there: a CA, a data directory with its member. */
async function remains({ hosts, pki }: Cluster): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const file of ['ca.pem', 'ca-key.pem']) {
    if (existsSync(join(pki, file))) found.set(file, readFileSync(join(pki, file), 'utf8'));
  }
  const inodes = await onEach(hosts, (host) =>
    on(
      host,
      'stat -c %i /var/lib/etcd/member /var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal 2>/dev/null',
    ),
  );
  for (const [at, host] of hosts.entries()) if (inodes[at]!.split('\n').length > 2) found.set(host, inodes[at]!);
  return found;
}

/** Runs create_etcd to its end, then proves: one cluster of all hosts, settled, with what was there. */
async function completes(cluster: Cluster): Promise<PlayResult> {
  const before = await remains(cluster);
  const finished = await create(cluster);
  expect(finished.code, finished.text).toBe(0);
  const after = await remains(cluster);
  for (const [what, content] of before) expect(after.get(what), `${what} is another than before`).toBe(content);
  await isOneCluster(cluster);
  return finished;
}

/** The same, and that nothing is left to do: a further run touches nothing. */
async function completesForGood(cluster: Cluster): Promise<PlayResult> {
  const finished = await completes(cluster);
  await isFinished(cluster);
  return finished;
}

async function isFinished(cluster: Cluster): Promise<void> {
  const prints = await onEach(cluster.hosts, (host) => fingerprint(lab, host));
  const again = await create(cluster);
  expect(again.code, again.text).toBe(0);
  expect(again.stdout).not.toMatch(/changed=[1-9]/);
  expect(await onEach(cluster.hosts, (host) => fingerprint(lab, host))).toEqual(prints);
}

async function isOneCluster({ hosts }: Cluster): Promise<void> {
  const views = await onEach(hosts, (host) => membersSeenBy(lab, host));
  expect(views[0]!.map(({ name }) => name)).toEqual(hosts.map((host) => `etcd-${host}`));
  for (const view of views) expect(view).toEqual(views[0]);
  await etcdctl(lab, hosts[0]!, 'put greeting hello');
  expect(await etcdctl(lab, hosts.at(-1)!, 'get greeting --print-value-only')).toBe('hello\n');
  const left =
    'grep -h STATE= /etc/etcd/etcd.conf; find /etc /opt /root /tmp /usr/local /var -xdev -name "*etcd-play-new*" -o -xdev -name "*etcd-play-old*" -o -xdev -name "*etcd-play-part*"';
  for (const said of await onEach(hosts, (host) => on(host, left))) {
    expect(said).toBe('ETCD_INITIAL_CLUSTER_STATE="existing"\n');
  }
}

/** The shells that a run has opened on a host: a bare `/bin/sh`, as nothing else there is called. */
const shellsOn = (host: string) => on(host, 'pgrep -x -f -a /bin/sh');
const noShellIsLeft = (hosts: readonly string[]) => onEach(hosts, (host) => expect.poll(() => shellsOn(host)).toBe(''));

describe('create_etcd that was killed', () => {
  let three: Cluster;
  beforeAll(async () => {
    three = await clusterOf(HOSTS);
  });

  it('goes on after each line that a first run prints, one after the other, with one CA and no data lost', async () => {
    const points = [
      /looked at/,
      /Member is asked/,
      /judged together/,
      /Plan is made/,
      /Release is at hand/,
      /Certificates are at hand/,
      /Release is installed/,
      /etcd\.service is in place/,
    ];
    let before = await remains(three);
    for (const point of points) {
      await killedAt(three, point);
      const after = await remains(three);
      for (const [what, content] of before) expect(after.get(what), `${what} after ${point}`).toBe(content);
      before = after;
    }
    expect([...before.keys()]).toContain('ca.pem');
    await completesForGood(three);
  });

  const late: [string, RegExp, number][] = [
    ['the last host is prepared', /etcd\.service is in place/, 3],
    ['the first member is started', /etcd is started/, 1],
    ['the last member is started', /etcd is started/, 3],
    ['the first member is ready', /etcd is ready/, 1],
    ['the members agree', /Members agree/, 1],
    ['the first host is settled', /etcd\.conf says existing/, 1],
    ['the last host is settled', /etcd\.conf says existing/, 3],
  ];
  it.each(late)('completes the same cluster when it is run again after: %s', async (_, line, times) => {
    await unform(three);
    // Something to prepare on each host, so that these tasks are printed too.
    await onEach(HOSTS, (host) => lab.exec(host, 'rm -f /etc/systemd/system/etcd.service'));
    await killedAt(three, line, times);
    await completesForGood(three);
  });

  it('only settles when it was killed between forming and the word `existing`', async () => {
    await asIfNotSettled(three);
    const invocations = await onEach(HOSTS, (host) => on(host, 'systemctl show -p InvocationID etcd'));
    const { stdout } = await completesForGood(three);
    const changed = stdout.match(/^ {2}changed: .*$/gm)!.toSorted();
    expect(changed).toEqual(HOSTS.map((host) => expect.stringMatching(`\\[${host}\\] etcd\\.conf .*: content\\)$`)));
    expect(await onEach(HOSTS, (host) => on(host, 'systemctl show -p InvocationID etcd'))).toEqual(invocations);
  });

  it('starts the one that was never started when the others have formed the cluster without it', async () => {
    await unform(three);
    await onEach(['h1', 'h2'], (host) => lab.exec(host, 'systemctl start etcd'));
    const { stdout } = await completes(three);
    expect(stdout).toMatch(/1\. h3 +start the stopped members/);
  });

  it('starts the others when one alone was started and waits for them', async () => {
    await unform(three);
    await lab.exec('h1', 'systemctl start --no-block etcd');
    await expect.poll(() => on('h1', 'ls /var/lib/etcd/member/wal')).toContain('.wal');
    const { stdout } = await completes(three);
    expect(stdout).not.toMatch(/changed: \[h1\] etcd is started/);
  });

  it('asks those that were started and are stopped again, before it starts the rest', async () => {
    await unform(three);
    await lab.exec('h1', 'systemctl start --no-block etcd');
    // It has written down who its peers are by then.
    const words = 'journalctl -o cat _SYSTEMD_INVOCATION_ID=$(systemctl show etcd -p InvocationID --value)';
    await expect.poll(() => on('h1', words)).toContain('is starting a new election');
    await lab.exec('h1', 'systemctl stop etcd');
    const { stdout } = await completes(three);
    expect(stdout).toMatch(/changed: \[h1\] Member with data is started and asked/);
  });
});

/** Ends a first start of etcd in the milliseconds between making its log and the first record in it. */
async function endedBeforeItsFirstRecord(host: string): Promise<void> {
  const log = '/var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal';
  for (let tries = 0; tries < 20; tries++) {
    // What etcd makes a log with takes less than 256 bytes.
    const script = [
      'rm -rf /var/lib/etcd/member; systemctl reset-failed etcd; systemctl start --no-block etcd',
      // Each other program that is called takes milliseconds, which etcd would have, too.
      'until p=$(systemctl show etcd -p MainPID --value) && [ "$p" -gt 0 ]; do :; done',
      `until [ -e ${log} ] || ! [ -e /proc/$p ]; do :; done; kill -9 $p; systemctl stop etcd`,
      `tail -c +257 ${log} | head -c 65536 | tr -d '\\0' | wc -c`,
    ];
    if ((await on(host, script.join('\n'))).trim() === '0') return;
  }
  throw new Error('etcd was too quick each time');
}

describe('create_etcd where etcd was ended before the first record of its log', () => {
  let three: Cluster;
  beforeAll(async () => {
    three = await clusterOf(HOSTS);
  });
  beforeEach(() => unform(three));

  /** What it made is not lost: it lies beside, and stays there. */
  const finished = async ({ code, stdout, text }: PlayResult) => {
    expect(code, text).toBe(0);
    expect(stdout).toMatch(/h1 +etcd was ended here before the first record of its log: what it made is put aside/);
    const [, place] = /changed: \[h1\] Log without a record is put aside \((\S+)\)/.exec(stdout) ?? [];
    expect(place, stdout).toMatch(/^\/var\/lib\/etcd\.aside-\d{8}T\d{6}Z$/);
    expect(await on('h1', `ls ${place}/member`)).toBe('snap\nwal\n');
    await isOneCluster(three);
    await isFinished(three);
    await lab.exec('h1', `rm -r ${place}`);
  };

  it('puts aside what it made, and forms the cluster', async () => {
    await endedBeforeItsFirstRecord('h1');
    await finished(await create(three));
  });

  it('does the same where it was started again since, which never comes to an end', async () => {
    await endedBeforeItsFirstRecord('h1');
    await lab.exec('h1', 'systemctl start --no-block etcd');
    await finished(await create(three));
  });

  it('does the same where the others have formed the cluster without it', async () => {
    await endedBeforeItsFirstRecord('h1');
    await onEach(['h2', 'h3'], (host) => lab.exec(host, 'systemctl start etcd'));
    await finished(await create(three));
  });

  it('wakes those that have data first, and does not touch it where they know it as a member', async () => {
    await endedBeforeItsFirstRecord('h1');
    await lab.exec('h1', 'mv /var/lib/etcd/member /var/lib/etcd.without-a-record');
    expect((await create(three)).code).toBe(0);
    await onEach(HOSTS, (host) => lab.exec(host, 'systemctl stop etcd'));
    await asIfNotSettled(three);
    await lab.exec(
      'h1',
      'mv /var/lib/etcd/member /var/lib/etcd.true; mv /var/lib/etcd.without-a-record /var/lib/etcd/member',
    );
    const refused = await create(three);
    expect(refused.code, refused.text).toBe(2);
    expect(refused.text).toMatch(/h1: the cluster lists this host as a member, but it has lost its write-ahead log/);
    expect(refused.text).toContain('play replace_etcd -l h1');
    expect(await on('h1', 'ls /var/lib/etcd/member; systemctl is-active etcd')).toBe('snap\nwal\ninactive\n');
    await lab.exec('h1', 'rm -r /var/lib/etcd/member; mv /var/lib/etcd.true /var/lib/etcd/member');
    await completesForGood(three);
  });
});

describe('create_etcd that was killed in the middle of a task', () => {
  it('completes the cluster after it was stopped at one command after the other, each time a little later', async () => {
    // Three clusters of one host each, which are stopped at different commands.
    const strides = { h1: 3, h2: 5, h3: 7 };
    const interruptions = await Promise.all(
      Object.entries(strides).map(async ([host, stride]) => {
        const one = await clusterOf([host]);
        await undo(one, true);
        for (let times = 0; ; times++) {
          await shutGate(lab, host, { number: 1 + times * stride });
          let play: ChildProcess | undefined;
          const run = create(one, (_, child) => {
            play = child;
          });
          const stands = await Promise.race([reachedGate(lab, host, 110_000), run.then(() => false)]);
          if (stands) play!.kill('SIGKILL');
          const { code, text } = await run;
          await openGate(lab, host);
          if (!stands) {
            expect(code, text).toBe(0);
            await completesForGood(one);
            return times;
          }
        }
      }),
    );
    for (const times of interruptions) expect(times).toBeGreaterThan(4);
  });

  it('completes the cluster after it was killed at any time while the release is sent and etcd starts', async () => {
    const seed = Date.now() % 1000;
    await Promise.all(
      HOSTS.map(async (host, at) => {
        const one = await clusterOf([host]);
        for (let round = 0; round < 2; round++) {
          await undo(one, true);
          const delayMs = (seed * (at + 3) * (round + 7)) % 1500;
          await create(one, (line, child) => {
            if (/Certificates are at hand/.test(line)) setTimeout(() => child.kill('SIGKILL'), delayMs);
          });
          const finished = await create(one);
          expect(finished.code, `killed after ${delayMs} ms:\n${finished.text}`).toBe(0);
          await isOneCluster(one);
        }
      }),
    );
  });
});

describe('create_etcd that is stopped by Ctrl-C', () => {
  let three: Cluster;
  beforeAll(async () => {
    three = await clusterOf(HOSTS, 'stopped');
    await onEach(HOSTS, async (host) => undo(await clusterOf([host])));
  });

  it('ends in good order while hosts are prepared: 130, what was done, and that it can be run again', async () => {
    const stopped = await create(three, undefined, signalAt(/Certificates are at hand/, 1, 'SIGINT'));
    expect(stopped.code, stopped.text).toBe(130);
    expect(stopped.text).toMatch(/Stopping: what is under way is finished first/);
    expect(stopped.text).toMatch(/^control +: .*changed=1/m);
    expect(stopped.text).toMatch(/Run the same command again to go on/);
    await noShellIsLeft(HOSTS);
    await completes(three);
  });

  it('ends in good order while it waits for etcd', async () => {
    await unform(three);
    let asked = 0;
    const note = (line: string) => {
      if (/etcd is started/.test(line)) asked ||= clock.now();
    };
    const stopped = await create(three, note, signalAt(/etcd is started/, 1, 'SIGINT'));
    expect(stopped.code, stopped.text).toBe(130);
    expect(clock.now() - asked).toBeLessThan(10_000);
    await noShellIsLeft(HOSTS);
    await completes(three);
  });

  it('ends at once when it is told twice, also when a host hangs, and nothing of it is left there', async () => {
    await undo(three);
    await shutGate(lab, 'h2', { pattern: '"useradd "*' });
    let play: ChildProcess | undefined;
    let said = '';
    const run = create(three, (line, child) => {
      play = child;
      said += line;
    });
    expect(await reachedGate(lab, 'h2')).toBe(true);
    play!.kill('SIGINT');
    // Two signals that come at once are one.
    await expect.poll(() => said).toMatch(/Stopping: what is under way is finished first/);
    expect(await shellsOn('h2')).not.toBe('');
    play!.kill('SIGINT');
    expect((await run).code).toBe(130);
    await noShellIsLeft(HOSTS);
    await openGate(lab, 'h2');
    await completesForGood(three);
  });
});

describe('create_etcd that loses a host on the way', () => {
  let three: Cluster;
  beforeAll(async () => {
    three = await clusterOf(HOSTS, 'lost');
    await undo(await clusterOf(HOSTS, 'stopped'));
    expect((await create(three)).code).toBe(0);
  });

  const cut = { lose: (host: string) => lab.cut(host), find: (host: string) => lab.heal(host) };
  const power = {
    lose: (host: string) => lab.kill(host, { silent: true }),
    find: (host: string) => lab.start(host),
  };

  const fall = { lose: (host: string) => lab.kill(host), find: (host: string) => lab.start(host) };

  /** Loses hosts while they stand at a gate, brings them back, and gives what was said and how long it took. */
  async function loses(hosts: readonly string[], pattern: string, { lose, find }: typeof cut): Promise<PlayResult> {
    await onEach(hosts, (host) => shutGate(lab, host, { pattern }));
    const told = new Map<string, number>();
    const run = create(three, (line) => {
      const host = /\[(h\d)\].*connection lost/.exec(line)?.[1];
      if (host !== undefined && !told.has(host)) told.set(host, clock.now());
    });
    expect(await onEach(hosts, (host) => reachedGate(lab, host))).toEqual(hosts.map(() => true));
    const lostAt = clock.now();
    await onEach(hosts, lose);
    try {
      const lost = await run;
      for (const host of hosts) expect(told.get(host)! - lostAt, lost.text).toBeLessThan(NOTICED_MS);
      expect(lost.code, lost.text).toBe(4);
      for (const host of hosts) {
        expect(lost.text).toMatch(
          new RegExp(`^ERROR [^:]*\\b${host}\\b[^:]*: .*connection lost: .*\\n {2}→ .*run the same command again`, 'm'),
        );
        expect(lost.text).toMatch(new RegExp(`^${host} +: .*unreachable=1`, 'm'));
      }
      return lost;
    } finally {
      await onEach(hosts, find);
      await onEach(hosts, (host) => openGate(lab, host));
    }
  }

  it('while it is prepared and it falls over: notices soon, ends with 4, names it, and goes on in the next run', async () => {
    await undo(three);
    await loses(['h2'], '"useradd "*', fall);
    await completes(three);
  });

  it('while the release is sent and its network is cut: the same', async () => {
    await undo(three, true);
    await loses(['h2'], '"tar "*', cut);
    await completes(three);
  });

  it('while etcd is started there and its host falls over: the same', async () => {
    await unform(three);
    await loses(['h3'], '"systemctl start "*', fall);
    await completes(three);
  });

  it('so that no quorum can be: the same, and nobody waits for those who wait for the lost', async () => {
    await unform(three);
    // Or it could be ready before they are lost.
    for (const other of ['h2', 'h3']) await lab.partition('h1', other);
    const apart = {
      ...power,
      lose: async (host: string) => {
        await power.lose(host);
        await lab.rejoin('h1', host);
      },
    };
    const lost = await loses(['h2', 'h3'], '"systemctl show etcd.service -p ActiveState -p NRestarts"*', apart);
    expect(lost.text).toMatch(
      /failed: \[h1\] etcd is ready \(etcd was started; the run was ended before it was ready\)/,
    );
    await completesForGood(three);
  });
});

describe('create_etcd on a cluster that was begun', () => {
  let three: Cluster;
  beforeAll(async () => {
    three = await clusterOf(HOSTS, 'begun');
    await undo(await clusterOf(HOSTS, 'lost'));
    expect((await create(three)).code).toBe(0);
  });
  /** Services and data, to see that nothing was touched. */
  const states = () =>
    onEach(HOSTS, (host) =>
      on(host, 'systemctl show -p ActiveState -p InvocationID etcd; ls -i /var/lib/etcd; md5sum /etc/etcd/etcd.conf'),
    );

  it('refuses other hosts than those it was begun with, and says why', async () => {
    await unform(three);
    await lab.exec('h1', 'systemctl start --no-block etcd');
    await expect.poll(() => on('h1', 'ls /var/lib/etcd/member/wal')).toContain('.wal');
    const two = { ...(await clusterOf(['h1', 'h2'], 'fewer')), pki: three.pki };
    await lab.writeInventory(two.inventory, {
      hosts: ['h1', 'h2'],
      vars: { ...etcdVars(LAB, '3.5.16'), CERT_LOCAL_DIR: three.pki },
    });
    const before = await states();
    const refused = await create(two);
    expect(refused.code, refused.text).toBe(2);
    expect(refused.text).toMatch(/h1: a cluster of 3 was begun here \(etcd-h1=.*\), and 2 are wanted now/);
    expect(await states()).toEqual(before);
    await completes(three);
  });

  it('starts a whole cluster again that is stopped and has all its data', async () => {
    const id = (await membersSeenBy(lab, 'h1')).map((member) => member.id);
    await etcdctl(lab, 'h1', 'put kept yes');
    await onEach(HOSTS, (host) => lab.exec(host, 'systemctl stop etcd'));
    await completes(three);
    expect((await membersSeenBy(lab, 'h1')).map((member) => member.id)).toEqual(id);
    expect(await etcdctl(lab, 'h3', 'get kept --print-value-only')).toBe('yes\n');
  });

  it('never starts an emptied member as new, also when nothing but the others can tell that it was one', async () => {
    await asIfNotSettled(three);
    await onEach(HOSTS, (host) =>
      lab.exec(host, 'systemctl kill --signal=KILL etcd; systemctl stop etcd; systemctl reset-failed etcd; :'),
    );
    await lab.exec('h2', 'rm -rf /var/lib/etcd/member');
    const refused = await create(three);
    expect(refused.code, refused.text).toBe(2);
    expect(refused.stdout).toMatch(/1\. h1 h3 +start these, which have data, and ask them/);
    expect(refused.text).toMatch(/Refused, and etcd was started on h1, h3, nothing else was changed/);
    expect(refused.text).toMatch(
      /h2: the cluster lists this host as a member, but it has lost its data .*\n.*play replace_etcd -l h2/,
    );
    expect(await on('h2', 'systemctl is-active etcd; ls -A /var/lib/etcd')).toBe('inactive\n');
    // Those that have their data are up and serve it.
    await expect
      .poll(() => etcdctl(lab, 'h1', 'get kept --print-value-only').catch(String), { timeout: 20_000 })
      .toBe('yes\n');
  });

  it('refuses it again while the others serve, and touches nothing', async () => {
    const active = () => Promise.all(['h1', 'h3'].map((host) => on(host, 'systemctl is-active etcd; :')));
    await expect.poll(active, { timeout: 20_000 }).toEqual(['active\n', 'active\n']);
    const before = await states();
    const refused = await create(three);
    expect(refused.code, refused.text).toBe(2);
    expect(refused.text).toMatch(/Refused, and nothing was changed/);
    expect(refused.text).toMatch(/h2: .*has lost its data .*\n.*play replace_etcd -l h2/);
    expect(await states()).toEqual(before);
  });
});

describe('create_etcd after a first try that failed', () => {
  it('starts a member anew that ends again and again, once its settings are put right', async () => {
    const one = await clusterOf(['h1'], 'corrected');
    await undo(await clusterOf(['h1'], 'begun'));
    const vars = { ...etcdVars(LAB, '3.5.16'), CERT_LOCAL_DIR: one.pki };
    await lab.writeInventory(one.inventory, { hosts: ['h1'], vars: { ...vars, ETCD_EXTRA: 'ETCD_MAX_TXN_OPS=many' } });
    const failed = await create(one);
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toMatch(/etcd ends soon after it was started; its last words:[^→]*invalid value .*many/);
    await lab.writeInventory(one.inventory, { hosts: ['h1'], vars });
    await completesForGood(one);
  });
});
