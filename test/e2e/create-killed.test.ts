import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { type PlayResult, runPlay } from './play.ts';
import { etcdctl, fingerprint, membersSeenBy } from './witness.ts';

const HOSTS = ['h1', 'h2', 'h3'];
let lab: Lab;
const words = () => ['create_etcd', '-i', lab.inventoryFile, '--output', 'lines'];
const onAll = <T>(work: (host: string) => Promise<T>) => Promise.all(HOSTS.map(work));
const ca = () => readFileSync(join(lab.pkiDir, 'ca.pem'), 'utf8');

beforeAll(async () => {
  await ensureRelease('3.5.16');
  lab = await openLab({ name: 'killed', hosts: 3, fresh: true, vars: etcdVars('killed', '3.5.16') });
});
afterAll(() => lab?.down());

/** Hosts and control machine as they were before any run; faster than new disks. */
async function afresh(): Promise<void> {
  const undo = [
    // Members that are all told to end wait for each other to take the lead.
    'systemctl kill -s SIGKILL etcd 2>/dev/null; systemctl disable --quiet --now etcd 2>/dev/null',
    'rm -rf /etc/etcd /var/lib/etcd /opt/etcd /usr/local/bin/etcd* /etc/systemd/system/etcd.service',
    'systemctl daemon-reload; systemctl reset-failed etcd 2>/dev/null; userdel etcd 2>/dev/null; :',
  ];
  await onAll((host) => lab.exec(host, undo.join('\n')));
  rmSync(lab.pkiDir, { recursive: true, force: true });
}

/** Runs create until a line matches, waits so long, and sends the signal. */
function interrupted(line: RegExp, delayMs = 0, signal: NodeJS.Signals = 'SIGKILL'): Promise<PlayResult> {
  let sent = false;
  return runPlay(words(), {
    onLine: (text, child) => {
      if (sent || !line.test(text)) return;
      sent = true;
      setTimeout(() => child.kill(signal), delayMs);
    },
  });
}

async function completes(): Promise<void> {
  const caBefore = existsSync(join(lab.pkiDir, 'ca.pem')) ? ca() : undefined;
  const again = await runPlay(words());
  expect(again.code, again.text).toBe(0);
  const views = await onAll((host) => membersSeenBy(lab, host));
  expect(views[0]!.map(({ name }) => name)).toEqual(['etcd-h1', 'etcd-h2', 'etcd-h3']);
  for (const view of views) expect(view).toEqual(views[0]);
  if (caBefore !== undefined) expect(ca()).toBe(caBefore);
  const states = await onAll(async (host) => (await lab.exec(host, 'grep STATE= /etc/etcd/etcd.conf')).stdout);
  for (const state of states) expect(state).toContain('existing');
}

describe('create_etcd that was killed', () => {
  beforeEach(afresh);

  it.each([
    ['after it had looked', /Host is looked at/, 0],
    ['after the certificates were made', /Certificates are at hand/, 0],
    ['while it sent and unpacked the release', /Certificates are at hand/, 250],
    ['a little later in that', /Certificates are at hand/, 700],
    ['while it wrote the files', /Certificates are at hand/, 1300],
    ['when one host was prepared', /Release is installed/, 0],
    ['when all were prepared', /^Start$/, 0],
    ['when the first member was started', /etcd is started/, 0],
    ['while the members found each other', /etcd is started/, 300],
    ['when the first member was ready', /etcd is ready/, 0],
    ['before the members were asked whether they agree', /Members agree/, 0],
    ['between the forming and the word existing', /Reads and writes pass/, 0],
    ['when one host said existing', /etcd.conf says existing/, 0],
  ])('%s completes the same cluster when it is run again', async (_, line, delayMs) => {
    const first = await interrupted(line, delayMs);
    expect(first.code, first.text).toBeNull();
    await completes();
  });

  it('once more after that changes nothing', async () => {
    await interrupted(/etcd is started/);
    await completes();
    const before = await onAll((host) => fingerprint(lab, host));
    const third = await runPlay(words());
    expect(third.stdout).not.toMatch(/changed=[1-9]/);
    expect(await onAll((host) => fingerprint(lab, host))).toEqual(before);
  });
});

describe('Ctrl-C', () => {
  beforeEach(afresh);

  it('stops cleanly with exit code 130, tells what was done, and leaves no shell behind; run again, it completes', async () => {
    const stopped = await interrupted(/Certificates are at hand/, 200, 'SIGINT');
    expect(stopped.code, stopped.text).toBe(130);
    expect(stopped.text).toContain('Run the same command again');
    expect(stopped.text).toMatch(/^h1 +: ok=1 +changed=[1-9]/m);
    const shells = () => onAll(async (host) => (await lab.exec(host, 'pgrep -fc "^/bin/sh$|^sh$" || :')).stdout.trim());
    await expect.poll(shells, { timeout: 10_000 }).toEqual(['0', '0', '0']);
    await completes();
  });
});

describe('a host that is lost', () => {
  beforeEach(afresh);

  it.each([
    ['while it is prepared', /Certificates are at hand/],
    ['while the members start', /^Start$/],
  ])('%s is named within 15 seconds with exit code 4; when it is back, the run completes', async (_, line) => {
    let cutAt = 0;
    const lost = await runPlay(words(), {
      onLine: (text) => {
        if (cutAt || !line.test(text)) return;
        cutAt = performance.now();
        void lab.cut('h2');
      },
    });
    const noticedMs = performance.now() - cutAt;
    await lab.heal('h2');
    expect(lost.code, lost.text).toBe(4);
    expect(lost.text).toMatch(/ERROR h2: .*connection lost/);
    expect(noticedMs).toBeLessThan(17_000);
    await expect.poll(async () => (await lab.exec('h2', 'true')).code, { timeout: 20_000 }).toBe(0);
    await completes();
  });
});

describe('a cluster that had formed when the run was killed before it said so', () => {
  const stopped = () => onAll((host) => lab.exec(host, 'systemctl kill -s SIGKILL etcd; systemctl stop etcd'));
  beforeEach(async () => {
    await afresh();
    await interrupted(/Reads and writes pass/);
    await etcdctl(lab, 'h1', 'put precious yes');
  });

  it('is started again by the next run when all of it was shut down', async () => {
    await stopped();
    await completes();
    expect(await etcdctl(lab, 'h3', 'get precious --print-value-only')).toBe('yes\n');
  });

  it('never gets an empty member as if it were new: those with data are asked first', async () => {
    await stopped();
    await lab.exec('h3', 'mv /var/lib/etcd/member /root/lost');
    const refused = await runPlay(words());
    expect(refused.code, refused.text).toBe(2);
    expect(refused.text).toContain('play replace_etcd -l h3');
    expect((await lab.exec('h3', 'systemctl is-active etcd; ls /var/lib/etcd')).stdout).not.toMatch(/^active|member/m);
    expect(await etcdctl(lab, 'h1', 'get precious --print-value-only')).toBe('yes\n');
  });
});
