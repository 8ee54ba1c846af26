import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { killAt, type PlayOptions, type PlayResult, pausedAt, runPlay } from './play.ts';
import { startTraffic, type Traffic } from './traffic.ts';
import { testVersion } from './version.ts';
import { etcdctl, membersSeenBy } from './witness.ts';

const LAB = 'reload';
const VERSION = testVersion('3.5.16');
/** The aim is a second, and the figure is told; a machine that is busy with other things takes longer for a mere write. */
const LONGEST_GAP_MS = 2_000;
const HOSTS = ['h1', 'h2', 'h3'];
let lab: Lab;
let traffic: Traffic;
let ids: string[];

const onAll = <T>(work: (host: string) => Promise<T>) => Promise.all(HOSTS.map(work));
const on = async (host: string, command: string) => (await lab.exec(host, command)).stdout.trim();
/** Another one for each start of a process. */
const starts = () => onAll((host) => on(host, 'systemctl show etcd -p InvocationID --value'));
const leaders = () =>
  onAll(async (host) => {
    const [status] = JSON.parse(await etcdctl(lab, host, 'endpoint status -w json')) as [{ Status: Status }];
    return status.Status.leader === status.Status.header.member_id ? host : '';
  });
type Status = { leader: number; header: { member_id: number } };
const leader = async () => (await leaders()).find((host) => host !== '');

const reload = (words: readonly string[] = [], options: PlayOptions = {}): Promise<PlayResult> =>
  runPlay(['reload_etcd', '-i', lab.inventoryFile, '--output', 'lines', ...words], options);
const setting = (value: string | number) => ['-e', `ETCD_SNAPSHOT_COUNT=${value}`];
/** In which order members were restarted. */
const restarted = ({ stdout }: PlayResult) =>
  [...stdout.matchAll(/changed: \[(\w+)\] etcd is restarted/g)].map((match) => match[1]);
const inEffect = () =>
  onAll((host) => on(host, 'tr "\\0" "\\n" </proc/$(pidof etcd)/environ | sed -n s/^ETCD_SNAPSHOT_COUNT=//p'));

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 3, fresh: true, vars: etcdVars(LAB, VERSION) });
  const created = await runPlay(['create_etcd', '-i', lab.inventoryFile, '--output', 'lines']);
  expect(created.code, created.text).toBe(0);
  ids = (await membersSeenBy(lab, 'h1')).map(({ id }) => id);
  traffic = await startTraffic({
    endpoints: HOSTS.map((host) => `https://${lab.addressOf(host)}:2379`),
    pki: join(lab.dir, 'pki'),
  });
});
afterEach(async () => {
  expect((await membersSeenBy(lab, 'h1')).map(({ id }) => id)).toEqual(ids);
});
afterAll(() => lab?.down());

describe('reload_etcd, while a client writes and watches', () => {
  it('does nothing where nothing differs', async () => {
    const before = await starts();
    const { code, stdout, text } = await reload();
    expect(code, text).toBe(0);
    expect(stdout).toContain('nothing to do');
    expect(stdout).not.toMatch(/changed:/);
    expect(await starts()).toEqual(before);
  });

  it('sees a unit that was written in the second of the start of its process, but after that', async () => {
    const second = 'date -d "$(systemctl show etcd -p ExecMainStartTimestamp --value)" +%s';
    const write = (fraction: string) =>
      on('h1', `touch -d "@$(${second}).${fraction}" /etc/systemd/system/etcd.service && systemctl daemon-reload`);
    await write('999999999');
    expect((await reload(['-C'])).stdout.match(/restart: etcd\.service/g)).toHaveLength(1);
    await write('0');
    expect((await reload(['-C'])).stdout).toContain('nothing to do');
  });

  it('shows in check mode which files differ and who would be restarted, and changes nothing', async () => {
    const before = await starts();
    const { code, stdout, text } = await reload(['-C', '-D', ...setting(50_000)]);
    expect(code, text).toBe(0);
    expect(stdout.match(/restart: ETCD_SNAPSHOT_COUNT/g)).toHaveLength(3);
    expect(stdout.match(/^\+ETCD_SNAPSHOT_COUNT="50000"$/gm)).toHaveLength(3);
    expect(await starts()).toEqual(before);
    expect(await on('h1', 'grep -c SNAPSHOT_COUNT /etc/etcd/etcd.conf')).toBe('0');
  });

  it('restarts followers first and the leader last, which has handed over by then; writes go on', async () => {
    const led = await leader();
    traffic.gapMs();
    const done = await reload(setting(50_000));
    expect(done.code, done.text).toBe(0);
    expect(restarted(done)).toHaveLength(3);
    expect(restarted(done).at(-1)).toBe(led);
    expect(done.stdout).toMatch(new RegExp(`Leadership moves from ${led}`));
    expect(await inEffect()).toEqual(['50000', '50000', '50000']);
    const gapMs = traffic.gapMs();
    console.info(`reload_etcd of three members: ${Math.round(gapMs)} ms between two writes at most`);
    expect(gapMs).toBeLessThan(LONGEST_GAP_MS);
  });

  it('goes by who leads where the one that is to hand over has ended', async () => {
    let ended = '';
    const end = async () => {
      ended = (await leader())!;
      await lab.exec(ended, 'systemctl stop etcd');
    };
    const done = await reload(setting(55_000), pausedAt(/^Leadership moves from/, end));
    expect(done.code, done.text).toBe(0);
    expect(restarted(done)).toHaveLength(3);
    expect(restarted(done).at(-1)).toBe(ended);
    expect(await inEffect()).toEqual(['55000', '55000', '55000']);
  });

  it('restarts only the member that -l names', async () => {
    const [first, second, third] = await starts();
    const done = await reload([...setting(60_000), '-l', 'h2']);
    expect(done.code, done.text).toBe(0);
    expect(restarted(done)).toEqual(['h2']);
    const [firstNow, secondNow, thirdNow] = await starts();
    expect([firstNow, thirdNow]).toEqual([first, third]);
    expect(secondNow).not.toBe(second);
  });

  it('restarts only those that run with something else', async () => {
    const done = await reload(setting(60_000));
    expect(done.code, done.text).toBe(0);
    expect(restarted(done).toSorted()).toEqual(['h1', 'h3']);
  });

  it('issues and sends a certificate that is missing a name, and restarts nothing', async () => {
    const before = await starts();
    const done = await reload([...setting(60_000), '-e', 'ETCD_CERT_NAMES=etcd.example.com']);
    expect(done.code, done.text).toBe(0);
    expect(done.stdout).toMatch(/ok: \[h3\] New certificates are served/);
    expect(await starts()).toEqual(before);
    const names = new X509Certificate(await on('h2', 'cat /etc/etcd/cert/etcd-server.pem')).subjectAltName;
    expect(names).toContain('DNS:etcd.example.com');
    const back = await reload(setting(60_000));
    expect(back.code, back.text).toBe(0);
    expect(await starts()).toEqual(before);
  });

  it('restarts all where that is asked for', async () => {
    const done = await reload([...setting(60_000), '-e', 'force=true']);
    expect(done.code, done.text).toBe(0);
    expect(restarted(done)).toHaveLength(3);
  });

  it('stops at a member that does not come up, says its last words, and puts its settings back', async () => {
    const before = await starts();
    const led = await leader();
    const [first, ...others] = HOSTS.filter((host) => host !== led);
    const failed = await reload([...setting(60_000), '-e', 'ETCD_EXTRA=ETCD_MAX_TXN_OPS=many']);
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toMatch(new RegExp(`ERROR ${first}: .*last words:[^→]*invalid value .*many`));
    expect(failed.text).toMatch(
      /The other members were left alone\. .*of before was put back, and it serves with that/,
    );
    const now = await starts();
    for (const host of [...others, led!]) expect(now[HOSTS.indexOf(host)]).toBe(before[HOSTS.indexOf(host)]);
    expect(await etcdctl(lab, first!, 'endpoint health 2>&1')).toContain('is healthy');
    expect((await reload(setting(60_000))).stdout).toContain('nothing to do');
  });
});

describe('reload_etcd that is refused', () => {
  it.each([
    ['another name', 'ETCD_NAME=other', /ETCD_NAME is etcd-h1 and other is wanted/],
    [
      'another data directory',
      'ETCD_DATA_DIR=/srv/etcd',
      /ETCD_DATA_DIR is \/var\/lib\/etcd and .*\n.*replace_etcd -l h1/,
    ],
    [
      'another peer port',
      'ETCD_PEER_PORT=3380',
      /its peer address is .*:2380 and .*:3380 is wanted.*\n.*move_etcd -l h1/,
    ],
    ['another user', 'ETCD_USER=root', /its data belong to etcd, and ETCD_USER is root/],
  ])('by %s: it would not change by a restart', async (_, variable, words) => {
    const [name, value] = variable.split('=') as [string, string];
    // A name is each host's own, so it stands behind the host.
    const inventory = name === 'ETCD_NAME' ? renamed(value) : lab.inventoryFile;
    const given = name === 'ETCD_NAME' ? [] : ['-e', variable];
    const refused = await runPlay(['reload_etcd', '-i', inventory, '--output', 'lines', ...given, ...setting(60_000)]);
    expect(refused.code, refused.text).toBe(2);
    expect(refused.text).toMatch(words);
  });

  function renamed(value: string): string {
    const inventory = join(lab.dir, 'renamed.ini');
    const text = readFileSync(lab.inventoryFile, 'utf8');
    writeFileSync(inventory, text.replace(/^(h1\b.*)$/m, `$1 ETCD_NAME=${value}`));
    return inventory;
  }

  it('by a member that is down: one more would end the quorum', async () => {
    await lab.exec('h3', 'systemctl stop etcd');
    const before = await starts();
    const refused = await reload([...setting(70_000), '-l', 'h1,h2']);
    expect(refused.code, refused.text).toBe(2);
    expect(refused.text).toMatch(/h3: this member does not serve/);
    expect(await starts()).toEqual(before);
  });

  it('not by the one that is down, whose files of operations before are nothing to go back to', async () => {
    const failed = await reload([...setting(70_000), '-e', 'ETCD_EXTRA=ETCD_MAX_TXN_OPS=many']);
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toMatch(/ERROR h3: .*last words:[^→]*invalid value .*many/);
    expect(failed.text).toContain('There are no other settings to go back to');
  });

  it('not by the one that is down, if it is among those to be restarted: it comes first', async () => {
    const done = await reload(setting(70_000));
    expect(done.code, done.text).toBe(0);
    expect(restarted(done)).toHaveLength(3);
    expect(restarted(done)[0]).toBe('h3');
    expect(await inEffect()).toEqual(['70000', '70000', '70000']);
  });
});

describe('reload_etcd that was killed', () => {
  it('goes on after each of its steps, and restarts nobody twice', async () => {
    const points = [
      /Plan is made/,
      /etcd\.conf is in place/,
      /etcd is restarted/,
      /etcd is restarted/,
      /Leadership moves.*\(|changed: .*Leadership/,
    ];
    for (const point of points) {
      await reload(setting(80_000), { env: killAt(point) });
    }
    const done = await reload(setting(80_000));
    expect(done.code, done.text).toBe(0);
    expect(await inEffect()).toEqual(['80000', '80000', '80000']);
    expect((await reload(setting(80_000))).stdout).toContain('nothing to do');
  }, 600_000);

  it('has lost no acknowledged write and no event of a watch in all of this', async () => {
    const report = await traffic.end();
    console.info(`reload: ${report.writes} writes, the longest gap ${Math.round(report.longestGapMs)} ms`);
    expect(report.lost).toEqual([]);
    expect(report.missed).toEqual([]);
    expect(report.writes).toBeGreaterThan(500);
  });
});

describe('reload_etcd in the midst of an election', () => {
  it('waits until there is a leader, before it judges how the cluster stands', async () => {
    await onAll((host) => lab.exec(host, 'systemctl kill --signal=KILL etcd; systemctl restart --no-block etcd'));
    // Each is being started, and none can be ready by then.
    const state = () => onAll((host) => on(host, 'systemctl show etcd -p SubState --value'));
    await expect.poll(state, { interval: 10 }).toEqual(HOSTS.map(() => expect.stringMatching(/^(start|running)$/)));
    const { code, stdout, text } = await reload(['-C', ...setting(90_000)]);
    expect(code, text).toBe(0);
    expect(stdout.match(/2 of 3 for a moment, 2 are needed: kept/g), text).toHaveLength(3);
    expect(stdout, text).toMatch(/hand leadership to/);
  });
});
