import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { killAt, type PlayOptions, type PlayResult, runPlay } from './play.ts';
import { startTraffic } from './traffic.ts';
import { testVersion } from './version.ts';
import { etcdctl, fingerprint, membersSeenBy } from './witness.ts';

const LAB = 'mx-move';
const ALL = ['h1', 'h2', 'h3', 'h4'];
const VERSION = testVersion('3.5.16');
let lab: Lab;

beforeAll(async () => {
  for (const version of ['3.4.23', VERSION]) await ensureRelease(version);
  lab = await openLab({ name: LAB, hosts: ALL.length, fresh: true });
});
afterAll(() => lab?.down());

const on = async (host: string, command: string) => (await lab.exec(host, command)).stdout.trim();
const endpoints = (hosts: readonly string[]) => hosts.map((host) => `https://${lab.addressOf(host)}:2379`);

function playerOf(version: string) {
  const pki = join(lab.dir, `pki-${version}`);
  const play = async (words: string[], hosts: readonly string[] = ALL, options: PlayOptions = {}) => {
    const inventory = join(lab.dir, `${version}-${hosts.join('-')}.ini`);
    await lab.writeInventory(inventory, { hosts, vars: { ...etcdVars(LAB, version), CERT_LOCAL_DIR: pki } });
    return runPlay([...words, '-i', inventory, '--output', 'lines'], options);
  };
  const move = (from: string, to: string, more: string[] = [], options: PlayOptions = {}) =>
    play(['move_etcd', '-l', from, '-e', `to=${to}`, ...more], ALL, options);
  return { pki, play, move };
}

async function created(version: string, hosts: readonly string[]) {
  const player = playerOf(version);
  rmSync(player.pki, { recursive: true, force: true });
  const script = [
    'systemctl disable --quiet --now etcd; systemctl reset-failed etcd',
    'rm -rf /var/lib/etcd* /etc/etcd /etc/systemd/system/etcd.service* /usr/local/bin/etcd*; systemctl daemon-reload',
  ];
  await Promise.all(ALL.map((host) => lab.exec(host, script.join('\n'))));
  expectDone(await player.play(['create_etcd'], hosts));
  return player;
}

const expectDone = (result: PlayResult) => expect(result.code, result.text).toBe(0);

function expectRefused(result: PlayResult, ...words: string[]): void {
  expect(result.code, result.text).toBe(2);
  for (const word of words) expect(result.text).toContain(word);
  expect(result.text).not.toMatch(/^ {2}changed:|unexpected|fault of the playbook/m);
}

/** Kills `play` as soon as it has printed that line. */
async function killedAt(line: RegExp, run: (options: PlayOptions) => Promise<PlayResult>) {
  const { code, text } = await run({ env: killAt(line) });
  expect(code, `${line} ${text}`).toBeNull();
}

/** IDs by address, as `etcdctl` lists them. */
async function members(by: string): Promise<Map<string, string>> {
  return new Map((await membersSeenBy(lab, by)).map(({ id, peerUrls }) => [peerUrls.join(), id]));
}

const peerUrl = (host: string) => `https://${lab.addressOf(host)}:2380`;

/** The member is at its new place with the ID that it had, and nothing of it is left where it was. */
async function hasMoved(by: string, before: ReadonlyMap<string, string>, from: string, to: string): Promise<void> {
  const moved = new Map([...before].map(([url, id]) => [url === peerUrl(from) ? peerUrl(to) : url, id]));
  expect(await members(by)).toEqual(moved);
  // Its new name and client address come with its start.
  const own = (await membersSeenBy(lab, by)).find(({ name }) => name === `etcd-${to}`)!;
  expect(own.clientUrls).toEqual([`https://${lab.addressOf(to)}:2379`]);
  expect(await on(to, 'systemctl is-enabled etcd; systemctl is-active etcd')).toBe('enabled\nactive');
  expect(await on(to, "stat -c '%a %U' /var/lib/etcd /var/lib/etcd/member/wal; ls /var/lib/etcd")).toBe(
    '700 etcd\n700 etcd\nmember',
  );
  expect(await on(from, 'systemctl is-enabled etcd; systemctl is-active etcd; ls -d /var/lib/etcd')).toBe(
    'disabled\ninactive',
  );
  expect(await on(from, 'ls -d /var/lib/etcd.aside-*/member/wal')).not.toBe('');
}

/** What `etcdctl` reads from one member alone. */
const keysOn = (host: string) => etcdctl(lab, host, 'get key/ --prefix --consistency=s');

describe(`etcd ${VERSION}, three members`, () => {
  let player: Awaited<ReturnType<typeof created>>;
  const three = ['h1', 'h2', 'h3'];

  beforeAll(async () => {
    player = await created(VERSION, three);
    for (const n of [1, 2, 3]) await etcdctl(lab, 'h1', `put key/own-${n} value-${n}`);
  });

  it('shows what it would do, refuses what is wrong, and touches nothing', async () => {
    const look = () => Promise.all(ALL.map((host) => fingerprint(lab, host)));
    const before = await look();
    const plan = await player.move('h3', 'h4', ['-C']);
    expectDone(plan);
    expect(plan.text).toMatch(/h3 h4 +copy .* MiB while it runs/);
    expect(plan.text).toMatch(/stop and disable etcd.service\n +quorum: 2 of 3, 2 serve; undo: start on h3 again/);
    expectRefused(await player.move('h1', 'h2'), 'h2: this host carries a member already');
    expectRefused(await player.move('h4', 'h1'), 'h4: this host carries no member of the cluster');
    expectRefused(await player.move('h1,h2', 'h4'), 'one member is moved at a time, and 2 are chosen (h1, h2)');
    expectRefused(await player.move('h1', 'h1'), 'h1 is where it is already');
    expectRefused(await player.move('h1', 'h9'), 'h9 is not in the inventory');
    expectRefused(await player.play(['move_etcd', '-l', 'h1']), 'play move_etcd -l h1 -e to=TO');
    expect(await look()).toEqual(before);
  });

  it('refuses while a host is dead, and says what helps', async () => {
    await lab.kill('h4');
    expectRefused(await player.move('h3', 'h4'), 'h4: it cannot be reached', 'name another host: -e to=TO');
    await lab.start('h4');
    await lab.kill('h3');
    const dead = await player.move('h3', 'h4');
    expectRefused(dead, 'h3: it cannot be reached', 'play replace_etcd -l h3 -e replacement=h4');
    expectRefused(await player.move('h2', 'h4'), 'h3: this member does not serve');
    await lab.start('h3');
    await expect.poll(() => members('h3').catch(() => new Map()), { timeout: 30_000 }).toEqual(await members('h1'));
  });

  it('goes back where the start fails, with its log', async () => {
    const [before, keys] = [await members('h1'), await keysOn('h3')];
    const bad = '[Service]\\nExecStart=\\nExecStart=/bin/sh -c "echo no such luck; exit 3"\\n';
    const dir = '/etc/systemd/system/etcd.service.d';
    await lab.exec('h4', `mkdir -p ${dir}; printf '${bad}' >${dir}/bad.conf`);
    const failed = await player.move('h3', 'h4');
    expect(failed.code, failed.text).toBe(2);
    expect(failed.text).toContain('no such luck');
    expect(failed.text).toContain('The member went back to h3, and serves there again');
    await lab.exec('h4', `rm -r ${dir}; systemctl daemon-reload`);
    expect(await members('h1')).toEqual(before);
    expect(await keysOn('h3')).toBe(keys);
    expect(await on('h3', 'systemctl is-enabled etcd; systemctl is-active etcd; ls /var/lib/etcd')).toBe(
      'enabled\nactive\nmember',
    );
    expect(await on('h4', 'systemctl is-enabled etcd; systemctl is-active etcd; ls -d /var/lib/etcd')).toBe(
      'disabled\ninactive',
    );
  });

  it('is killed at each step and run again, under a writer: same ID, same keys, nothing lost', async () => {
    const before = await members('h1');
    const traffic = await startTraffic({ endpoints: endpoints(['h1', 'h2', 'h3', 'h4']), pki: player.pki });
    const lines = [
      /^Data are copied ahead/,
      /changed: .* Data are copied ahead/,
      /changed: .* etcd is stopped/,
      /^Data are copied from/,
      /changed: .* Data are copied from/,
      /changed: .* Member .* is at /,
      /^etcd is started on the new host/,
      /changed: .* etcd is started/,
      /^Old data are kept aside/,
    ];
    for (const line of lines) await killedAt(line, (options) => player.move('h3', 'h4', [], options));
    expectDone(await player.move('h3', 'h4'));
    const { lost, missed, writes, longestGapMs } = await traffic.end();
    console.info(`move, killed ${lines.length} times: ${writes} writes, longest gap ${Math.round(longestGapMs)} ms`);
    expect({ lost, missed }).toEqual({ lost: [], missed: [] });
    await hasMoved('h1', before, 'h3', 'h4');
    expect(await keysOn('h4')).toBe(await keysOn('h1'));
    const list = ['h1', 'h2', 'h4'].map((host) => `etcd-${host}=${peerUrl(host)}`).join(',');
    for (const host of ['h1', 'h2', 'h4']) {
      expect(await on(host, 'grep ^ETCD_INITIAL_CLUSTER= /etc/etcd/etcd.conf')).toBe(`ETCD_INITIAL_CLUSTER="${list}"`);
    }
    const again = await player.move('h3', 'h4');
    expectDone(again);
    expect(again.text).toContain('the member is on h4 already');
    expect(again.text).not.toMatch(/^ {2}changed:/m);
    const create = await player.play(['create_etcd'], ['h1', 'h2', 'h4']);
    expectDone(create);
    expect(create.text).not.toMatch(/^ {2}changed:/m);
  });

  it('never starts a copy that has become old: somebody put the data back and started the member where it was', async () => {
    const before = await members('h1');
    await killedAt(/changed: .* Data are copied from/, (options) => player.move('h4', 'h3', [], options));
    // What is held back cannot be started on by mistake.
    expect(await on('h4', 'systemctl start etcd 2>/dev/null; systemctl is-active etcd; systemctl stop etcd')).not.toBe(
      'active',
    );
    await lab.exec(
      'h4',
      'mv /var/lib/etcd/moving-*/member /var/lib/etcd/; chown etcd: /var/lib/etcd; chmod 700 /var/lib/etcd; systemctl reset-failed etcd; systemctl start etcd',
    );
    for (const n of [4, 5, 6]) await etcdctl(lab, 'h1', `put key/own-${n} later`);
    const moved = await player.move('h4', 'h3');
    expectDone(moved);
    expect(moved.text).toContain('move the copy aside: the member has run since it was made');
    expect(await members('h1')).toEqual(
      new Map([...before].map(([url, id]) => [url === peerUrl('h4') ? peerUrl('h3') : url, id])),
    );
    expect(await keysOn('h3')).toBe(await keysOn('h1'));
  });
});

describe('etcd 3.4.23, one member', () => {
  it('moves with all its data, asks before the cluster stands still, and goes on after each kill', async () => {
    const player = await created('3.4.23', ['h1']);
    await etcdctl(lab, 'h1', 'put key/only one');
    const before = await members('h1');
    const unasked = await player.move('h1', 'h2');
    expectRefused(unasked, 'not confirmed');
    expect(unasked.text).toContain('a cluster of 1 stands still from the stop on h1 until etcd has started on h2');
    for (const line of [
      /changed: .* Member .* is at /,
      /changed: .* etcd is stopped/,
      /changed: .* Data are held back/,
      /changed: .* Data are copied from/,
    ]) {
      await killedAt(line, (options) => player.move('h1', 'h2', ['--yes'], options));
    }
    expectDone(await player.move('h1', 'h2', ['--yes']));
    await hasMoved('h2', before, 'h1', 'h2');
    expect(await etcdctl(lab, 'h2', 'get key/only --print-value-only')).toBe('one\n');
  });
});
