import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { projectDir } from '../lab/places.ts';
import { ensureRelease } from '../lab/releases.ts';
import { runPlay } from './play.ts';

const run = promisify(execFile);
const LAB = 'sched';
const VERSION = '3.5.16';
const UNIT = 'etcd-play-backup_etcd-hosts';
const HOME = '/home/plain/control';
const PROM = '/var/lib/node-exporter';
let lab: Lab;

/** h1 is the control machine, with the package and Node and nothing else of this project; h2 is the cluster. */
beforeAll(async () => {
  const { archive } = await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 2, fresh: true });
  const away = mkdtempSync(join(tmpdir(), 'play-control-'));
  try {
    const inventory = join(lab.dir, 'cluster.ini');
    await lab.writeInventory(inventory, { hosts: ['h2'], vars: etcdVars(LAB, VERSION) });
    const created = await runPlay(['create_etcd', '-i', inventory]);
    expect(created.code, created.text).toBe(0);
    await packInto(join(away, 'opt'));
    fillHome(join(away, 'home'), archive);
    await send(join(away, 'opt'), '/opt/play');
    await send(join(away, 'home'), HOME);
    await onControl(
      `chown -R plain:plain ${HOME}; mkdir -m 0777 ${PROM}; ln -s /opt/play/bin/play /usr/local/bin/play`,
    );
  } finally {
    rmSync(away, { recursive: true, force: true });
  }
});
afterAll(() => lab?.down());

/** The package as `npm install --global` would leave it, with the Node that runs these tests beside it. */
async function packInto(prefix: string): Promise<void> {
  const modules = join(prefix, 'lib', 'node_modules', 'etcd-play');
  for (const folder of [modules, join(prefix, 'bin')]) mkdirSync(folder, { recursive: true });
  const packed = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', prefix], {
    cwd: projectDir,
  });
  const file = join(prefix, packed.stdout.trim().split('\n').at(-1)!);
  await run('tar', ['-xzf', file, '-C', modules, '--strip-components=1']);
  const listed = await run('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: projectDir });
  for (const folder of listed.stdout.trim().split('\n').slice(1)) {
    const own = folder.slice(folder.indexOf('/node_modules/') + 1);
    cpSync(realpathSync(folder), join(modules, own), { recursive: true });
  }
  chmodSync(join(modules, 'dist/src/cli/main.js'), 0o755);
  symlinkSync('../lib/node_modules/etcd-play/dist/src/cli/main.js', join(prefix, 'bin', 'play'));
  copyFileSync(process.execPath, join(prefix, 'bin', 'node'));
}

function fillHome(folder: string, archive: string): void {
  const releases = join(folder, 'releases', `v${VERSION}`);
  mkdirSync(releases, { recursive: true });
  for (const file of [archive, join(dirname(archive), 'SHA256SUMS')]) {
    copyFileSync(file, join(releases, file.split('/').at(-1)!));
  }
  cpSync(lab.pkiDir, join(folder, 'pki'), { recursive: true });
  // Who only takes backups needs no key of the CA.
  rmSync(join(folder, 'pki', 'ca-key.pem'));
  copyFileSync(lab.keyFile, join(folder, 'key'));
  copyFileSync(lab.knownHostsFile, join(folder, 'known_hosts'));
  const lines = [
    '[etcd]',
    `h2 ansible_host=${lab.addressOf('h2')}`,
    '[etcd:vars]',
    'ansible_user = root',
    `ansible_ssh_private_key_file = ${HOME}/key`,
    `ansible_ssh_common_args = -o UserKnownHostsFile=${HOME}/known_hosts`,
    `ETCD_VERSION = ${VERSION}`,
    `ETCD_RELEASE_DIR = ${HOME}/releases`,
    '',
  ];
  writeFileSync(join(folder, 'hosts.ini'), lines.join('\n'));
}

async function send(folder: string, target: string): Promise<void> {
  const ssh = `ssh -F /dev/null -i ${lab.keyFile} -o UserKnownHostsFile=${lab.knownHostsFile} -o LogLevel=ERROR`;
  const there = `mkdir -p ${target} && tar -C ${target} -x --no-same-owner`;
  await run('bash', ['-c', `set -o pipefail; tar -C ${folder} -c . | ${ssh} root@${lab.addressOf('h1')} '${there}'`]);
}

const onControl = (line: string) => lab.exec('h1', `export PATH=/opt/play/bin:$PATH NO_COLOR=1; ${line}`);
const play = (words: string) => onControl(`cd ${HOME}; play ${words}`);
const show = async (what: string, property: string) =>
  (await onControl(`systemctl show -P ${property} ${UNIT}.${what}`)).stdout.trim();

interface Status {
  runs: { startedAt: string; endedAt: string | null; exitCode: number | null; words: string[] }[];
  fault: string | null;
  lastGoodAt: string | null;
}
async function status(): Promise<Status & { code: number }> {
  const { code, stdout } = await play('schedule --status --output json');
  return { code, ...(JSON.parse(stdout) as [Status])[0] };
}
const ended = async () => (await status()).runs.filter(({ endedAt }) => endedAt !== null).length;
const untilRuns = (count: number) =>
  expect.poll(ended, { timeout: 120_000, interval: 500 }).toBeGreaterThanOrEqual(count);
const metric = async (name: string) => {
  const { stdout } = await onControl(`cat ${PROM}/*.prom`);
  return Number(new RegExp(`^etcd_play_${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(stdout)?.[1]);
};
/** The timer's own settings, with another time: a day is too long for a test. */
async function everyFourSeconds(): Promise<void> {
  const folder = `/etc/systemd/system/${UNIT}.timer.d`;
  const text = '[Timer]\\nOnCalendar=\\nOnCalendar=*:*:0/4\\n';
  const { code, stderr } = await onControl(
    `mkdir -p ${folder} && printf '${text}' >${folder}/often.conf && systemctl daemon-reload && systemctl restart ${UNIT}.timer`,
  );
  expect(code, stderr).toBe(0);
}
async function asWritten(): Promise<void> {
  await onControl(
    `rm -rf /etc/systemd/system/${UNIT}.timer.d; systemctl daemon-reload; systemctl restart ${UNIT}.timer`,
  );
}

const ADD = `schedule backup_etcd --every '0 3 * * *' -i hosts.ini -e keep_last=3 --as plain --metrics ${PROM}`;

describe('play schedule on a control machine with systemd', () => {
  it('shows with -C what it would write, and writes nothing', async () => {
    const { code, stdout, stderr } = await play(`${ADD} -C`);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('OnCalendar=*-*-* 03:00:00');
    expect(stdout).toContain('Persistent=true');
    expect((await onControl('ls /etc/etcd-play /etc/systemd/system | grep etcd-play')).stdout).toBe('');
  });

  it('refuses what would not run at night, and a time that is none', async () => {
    const missing = await play("schedule backup_etcd --every '0 3 * * *' -i nothing.ini");
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('nothing.ini');
    const never = await play("schedule backup_etcd --every '0 25 * * *' -i hosts.ini");
    expect(never.code).toBe(1);
    expect(never.stderr).toContain("'25' is no hour");
  });

  it('makes a timer that systemd finds in order, for the user that was named', async () => {
    const { code, stdout, stderr } = await play(ADD);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('as plain');
    expect(await show('timer', 'ActiveState')).toBe('active');
    expect(await show('timer', 'UnitFileState')).toBe('enabled');
    expect(await show('timer', 'NextElapseUSecRealtime')).toContain(' 03:00:00 ');
    expect(await show('service', 'User')).toBe('plain');
    expect((await onControl(`systemd-analyze verify ${UNIT}.timer 2>&1 | grep ${UNIT}`)).stdout).toBe('');
  });

  it('has nothing to do the second time, and lists what there is', async () => {
    expect((await play(ADD)).stdout).toContain('nothing to do');
    const { stdout } = await play('schedule --list');
    expect(stdout).toContain('backup_etcd-hosts');
    expect(stdout).toContain(`-i ${HOME}/hosts.ini`);
    const before = await play('schedule --status');
    expect([before.code, before.stdout]).toEqual([0, expect.stringContaining('has not run yet')]);
  });

  it('takes verified backups over several periods, keeps as many as it is told, and tells Prometheus', async () => {
    await everyFourSeconds();
    await untilRuns(4);
    // While one is under way there may be one more.
    await asWritten();
    await expect.poll(() => show('service', 'ActiveState')).toBe('inactive');
    const { runs, code } = await status();
    expect(runs.filter(({ endedAt }) => endedAt).map(({ exitCode }) => exitCode)).not.toContain(1);
    expect(code).toBe(0);
    const listed = JSON.parse((await play('backups -i hosts.ini --output json')).stdout) as { verified: boolean }[];
    expect(listed.length).toBeGreaterThanOrEqual(2);
    expect(listed.length).toBeLessThanOrEqual(3);
    for (const { verified } of listed) expect(verified).toBe(true);
    expect((await onControl(`stat -c %U ${HOME}/backups/*`)).stdout.trim().split('\n')).not.toContain('root');
    expect(await metric('backup_last_run_succeeded')).toBe(1);
    expect(await metric('backup_last_verified_size_bytes')).toBeGreaterThan(10_000);
    expect(Date.now() / 1000 - (await metric('backup_last_verified_timestamp_seconds'))).toBeLessThan(30);
    expect(await metric('schedule_last_run_exit_code')).toBe(0);
    await everyFourSeconds();
  });

  it('shows a run that failed everywhere it can be seen, and the next one that is well again', async () => {
    await lab.exec('h2', 'systemctl stop etcd');
    // The run that was under way may have failed with other words.
    const words = async () => (await play('schedule --status')).stdout;
    await expect.poll(words, { timeout: 20_000 }).toContain('no member answers');
    await expect.poll(() => show('service', 'Result'), { timeout: 20_000 }).toBe('exit-code');
    const bad = await status();
    expect(bad.code).toBe(2);
    expect(bad.fault).toBe('the last run ended with 2');
    const told = await play('schedule --status');
    expect(told.stdout).toContain('NOT WELL: the last run ended with 2');
    expect(told.stdout).toContain('no member answers');
    expect(await metric('schedule_last_run_exit_code')).toBe(2);
    expect(await metric('backup_last_run_succeeded')).toBe(0);
    expect(await metric('backup_last_verified_size_bytes')).toBeGreaterThan(10_000);
    expect((await onControl(`journalctl -u ${UNIT} -n 40 --no-pager`)).stdout).toContain('no member answers');
    await lab.exec('h2', 'systemctl start etcd');
    await expect.poll(async () => (await status()).code, { timeout: 20_000 }).toBe(0);
    expect(await show('service', 'Result')).toBe('success');
  });

  it('leaves a run out while one is under way, and says of one that was killed that it was cut off', async () => {
    await asWritten();
    await expect.poll(() => show('service', 'ActiveState'), { timeout: 60_000 }).toBe('inactive');
    const count = await ended();
    await lab.freeze('h2');
    await onControl(`systemctl start --no-block ${UNIT}`);
    await expect.poll(async () => (await status()).runs[0]?.endedAt, { timeout: 10_000 }).toBeNull();
    const call = `sh -c "$(systemctl show -P ExecStart ${UNIT} | sed 's/.*argv\\[\\]=\\([^;]*\\) ;.*/\\1/')"`;
    const second = await onControl(`runuser -u plain -- ${call}`);
    expect([second.code, second.stderr]).toEqual([0, expect.stringContaining('still under way')]);
    await onControl(`systemctl kill -s KILL ${UNIT}`);
    await lab.thaw('h2');
    const cut = await status();
    expect([cut.code, cut.fault]).toEqual([2, 'the last run was cut off']);
    expect(await ended()).toBe(count);
    await onControl(`systemctl start ${UNIT}`);
    expect((await status()).code).toBe(0);
    expect((await onControl(`ls -A ${HOME}/backups | grep -v '^etcd_'`)).stdout).toBe('');
  });

  it('makes up for a run that was missed while the machine was off', async () => {
    const before = (await status()).runs.length;
    await onControl(`touch -d '2 days ago' /var/lib/systemd/timers/stamp-${UNIT}.timer; sync`);
    await lab.stop('h1');
    await lab.start('h1');
    await untilRuns(before);
    await expect.poll(async () => (await status()).runs.length, { timeout: 20_000 }).toBe(before + 1);
    await expect.poll(async () => (await status()).code, { timeout: 20_000 }).toBe(0);
  });

  it('is removed without a trace on the clock', async () => {
    const { code, stderr } = await play('schedule backup_etcd --remove');
    expect(code, stderr).toBe(0);
    expect((await onControl('ls -A /etc/systemd/system /etc/etcd-play/schedules | grep etcd-play-')).stdout).toBe('');
    expect((await onControl('systemctl list-timers --all --no-legend | grep etcd-play')).stdout).toBe('');
    expect((await play('schedule --list')).stdout).toBe('there are no schedules\n');
    expect((await play('schedule backup_etcd --remove')).code).toBe(1);
  });
});
