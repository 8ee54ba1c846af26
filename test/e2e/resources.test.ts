import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/runner/events.ts';
import { command } from '../lab/command.ts';
import { givePackages, giveRepository } from '../lab/host-packages.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { type PlayResult, runPlay } from './play.ts';
import { buildDeb } from './tiny-packages.ts';

const SITE = fileURLToPath(new URL('site', import.meta.url));
const DOCS = fileURLToPath(new URL('../../docs', import.meta.url));
/** Debian 11 has ufw here, Debian 12 firewalld, Debian 13 none. */
const HOSTS = ['h1', 'h2', 'h3'];
const FROM_DEBIAN = [['nginx-light', 'nginx', 'ufw'], ['nginx-light', 'nginx', 'firewalld', 'netbase'], ['nginx']];

let lab: Lab;
let folder: string;
/** What was on each host before anything. */
let before: string[];

const webUnit = '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n';

beforeAll(async () => {
  lab = await openLab({ name: 'resources', hosts: HOSTS.length, suites: [11, 12, 13], fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'resources-'));
  const debs = join(folder, 'debs');
  for (const version of ['1.0-1', '2.0-1']) {
    const files = { '/usr/lib/systemd/system/lab-web.service': webUnit, '/etc/lab-web.conf': `of ${version}\n` };
    await buildDeb(debs, { name: 'lab-web', version, files });
  }
  await buildDeb(debs, { name: 'lab-plain', version: '3', fields: { Provides: 'lab-server' } });
  await buildDeb(debs, { name: 'lab-slow', version: '1', postinst: '#!/bin/sh\n[ -e /run/quick ] || sleep 600\n' });
  mkdirSync(join(folder, 'app-1/bin'), { recursive: true });
  writeFileSync(join(folder, 'app-1/bin/app'), '#!/bin/sh\necho app\n', { mode: 0o755 });
  await command('tar', ['-C', folder, '-czf', join(folder, 'app.tar.gz'), 'app-1']);
  await onAll(async (host, index) => {
    await givePackages(lab, host, FROM_DEBIAN[index]!);
    await giveRepository(lab, host, debs, 'lab');
    if (index < 2) await on(host, FIREWALLS[index]!, { timeoutMs: 300_000 });
    await on(host, OWN_NETWORK_SETTINGS);
    await on(host, 'mkdir -p /srv/old/below; touch /srv/old/below/file');
  });
  before = await onAll((host) => state(host));
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

const INSTALL =
  'export DEBIAN_FRONTEND=noninteractive; apt-get update -q; apt-get install -q -y --no-install-recommends';
const FIREWALLS = [
  `${INSTALL} ufw; ufw allow 22/tcp; ufw --force enable; rm -rf /var/lib/apt/lists/*`,
  `${INSTALL} firewalld netbase; systemctl restart firewalld; rm -rf /var/lib/apt/lists/*`,
];

/** The lab's hosts see the settings of their own network read-only; they are theirs alone, and no others are touched. */
const OWN_NETWORK_SETTINGS =
  'mkdir /run/proc; mount -t proc proc /run/proc; mount --bind /run/proc/sys/net /proc/sys/net';

const onAll = <T>(work: (host: string, index: number) => Promise<T>) => Promise.all(HOSTS.map(work));

/** What a command line says on a host, by the system's own ssh. */
async function on(host: string, line: string, options: { timeoutMs?: number } = {}): Promise<string> {
  const { code, stdout, stderr } = await lab.exec(host, line, options);
  if (code !== 0) throw new Error(`${host}: ${line}: ${stdout}${stderr}`);
  return stdout.trim();
}

/** Every file that a playbook here could touch, with what is in those of /etc; what dpkg and ufw note down aside. */
function state(host: string, { times = '' } = {}): Promise<string> {
  const passedOver = "-path /etc/ufw -o -path /etc/firewalld -o -name '*-' -o -name '*~' -o -name ld.so.cache";
  const files = `find /etc /srv /home /root /usr/local -xdev \\( ${passedOver} \\) -prune -o -printf '%p %y %m %u %g %l${times}\\n'`;
  const sums = `find /etc -xdev \\( ${passedOver} -o -name 'lab-web.conf*' \\) -prune -o -type f -print0 | xargs -0 sha256sum`;
  return on(host, `{ ${files}; ${sums}; } | grep -vE ' (/srv|/home|/root) d |^/etc/lab-web.conf' | sort`);
}

/** All that running changes, to the inode: two equal prints mean that nothing was touched. */
async function fingerprint(host: string): Promise<string> {
  const packages = 'dpkg -l | cksum; ls -l --time-style=full-iso /var/lib/dpkg/status';
  const services = "systemctl list-unit-files --no-legend 'app*' 'lab*'; systemctl show -p InvocationID app lab-web";
  const kernel = 'cat /proc/sys/net/ipv4/tcp_keepalive_time /proc/sys/net/ipv4/ip_local_port_range';
  const rest = await on(host, `${packages}; ${services}; ${kernel}; ufw show added; firewall-cmd --list-all; :`);
  return `${await state(host, { times: ' %i %C@' })}\n${rest}`;
}

interface Run extends PlayResult {
  /** By host: each task with how it ended, in order. */
  tasks: Map<string, Map<string, { status: string; summary: string; diffs: readonly unknown[] }>>;
}

/** A playbook of the site, with what came of its tasks. */
async function site(name: string, ...words: string[]): Promise<Run> {
  const inventory = ['-i', lab.inventoryFile, '-e', `archive=${join(folder, 'app.tar.gz')}`];
  const result = await runPlay([name, ...inventory, '--output', 'json', ...words], { cwd: SITE });
  const tasks: Run['tasks'] = new Map(HOSTS.map((host) => [host, new Map()]));
  for (const line of result.stdout.split('\n').filter((one) => one !== '')) {
    const event = JSON.parse(line) as RunEvent;
    if (event.type === 'task-end') tasks.get(event.host)?.set(event.task, event);
  }
  return { ...result, tasks };
}

/** Tasks by how they ended, the same on each host. */
function endings({ tasks }: Run, hosts = HOSTS): Record<string, string[]> {
  const all = hosts.map((host) => {
    const sorted: Record<string, string[]> = {};
    for (const [task, { status }] of tasks.get(host)!) {
      if (task !== 'Round trips') sorted[status] = [...(sorted[status] ?? []), task];
    }
    return sorted;
  });
  for (const one of all) expect(one).toEqual(all[0]);
  return all[0]!;
}

/** Host 3 has no firewall, and its task has nothing to do there. */
const WITH_FIREWALL = HOSTS.slice(0, 2);
/** Round trips of a look in check mode: the host's shell is opened, and asked once. */
const LOOK = '2';

/** Questions to the host's own programs. */
const WITNESSED = [
  'id app; getent passwd app appd | cut -d: -f1,5-; getent shadow app | cut -c1-14; getent group app',
  "cd /srv/app; stat -c '%A %U %G %n' data hello key app.conf index.html www www/* www/pages/* unpacked unpacked/bin/app",
  "cat hello key app.conf www/index.html current/more.html counted; ./unpacked/bin/app; ./current/answer; ls -l 'made here' | cut -c1-22",
  'head -n 1 /etc/issue; tail -n 4 /etc/issue.net; getent hosts db.example.com; ls -d /srv/old || :',
  'sysctl net.ipv4.tcp_keepalive_time net.ipv4.ip_local_port_range; cat /etc/sysctl.d/60-app.conf',
  "dpkg-query -W -f '${Package} ${Version} ' lab-web lab-plain; systemctl is-active app lab-web app-tidy.timer",
  'systemctl is-enabled app lab-web app-tidy.timer; ps -o user= -C sleep | sort | uniq -c',
].join('; exec 2>&1; ');

const asWanted = (host: string) => `uid=4100(app) gid=4100(app) groups=4100(app),4(adm)
app:It's the app:/srv/app:/bin/sh
appd:runs things:/nonexistent:/usr/sbin/nologin
app:$6$labsalt
app:x:4100:
drwxr-s--- app adm data
-rw-r--r-- app app hello
-rw------- root root key
-rw-r----- root app app.conf
-rw-r--r-- root root index.html
drwxr-x--- app app www
-rw-r----- app app www/index.html
drwxr-x--- app app www/pages
-rwxr-x--- app app www/pages/answer
-rw-r----- app app www/pages/more.html
drwxr-xr-x root root unpacked
-rwxr-xr-x root root unpacked/bin/app
hello
hush, hush# for ${host}
port=8080
peer=a
peer=b's
<h1>hello</h1>
<p>more</p>
2 it's
app
42
-rw-r--r-- 1 app app 0
Authorised people only
# BEGIN etcd-play: terms
No entry
No exit
# END etcd-play: terms
10.99.0.1       db db.example.com
ls: cannot access '/srv/old': No such file or directory
net.ipv4.tcp_keepalive_time = 1234
net.ipv4.ip_local_port_range = 20000	61000
net.ipv4.tcp_keepalive_time = 1234
net.ipv4.ip_local_port_range = 20000 61000
lab-plain 3 lab-web 1.0-1 active
active
active
enabled
enabled
enabled
      1 app
      1 root`;

const UFW_RULES = [
  'ufw allow 22/tcp',
  'ufw allow 53/udp',
  'ufw allow 8080/tcp',
  'ufw allow 9000:9010/tcp',
  ...['10.0.0.0/8', '10.99.0.1', 'fd00::/8'].flatMap((from) => [
    `ufw allow from ${from} to any port 2380 proto tcp`,
    `ufw allow from ${from} to any port 7000:7001 proto udp`,
  ]),
].sort();

/** What somebody does by hand. */
const DRIFT = [
  'usermod -s /bin/bash app; usermod -G "" app; chmod 0777 /srv/app/data; echo more >>/srv/app/hello',
  'chown root:root /srv/app/www/index.html; rm /srv/app/www/pages/more.html; ln -sfn nowhere /srv/app/current',
  "sed -i 's/No exit/No way/' /etc/issue.net; sed -i /Authorised/d /etc/issue; sed -i '/ db /d' /etc/hosts",
  'sysctl -q net.ipv4.tcp_keepalive_time=99; systemctl stop app; systemctl disable -q lab-web; systemctl stop app-tidy.timer',
  "rm '/srv/app/made here'; echo 3 >/srv/app/counted",
].join('; ');
const DRIFTED = ['User', 'Directory', 'File', 'Tree', 'Link', 'Line', 'Block', 'Host entries'].concat([
  'Settings of the kernel',
  'Service',
  'Service of a package',
  'Timer',
  'Command',
  'Script',
]);

/** Texts of which a pattern must fit, for the patterns of an object. */
function matching(patterns: Record<string, string | RegExp>): Record<string, unknown> {
  const entries = Object.entries(patterns);
  return Object.fromEntries(
    entries.map(([key, one]) => [key, one instanceof RegExp ? expect.stringMatching(one) : one]),
  );
}

describe('one task for each kind of resource, on Debian 11, 12 and 13', () => {
  it('check mode tells what would be changed, shows it, and touches nothing', async () => {
    const seen = await onAll(fingerprint);
    const run = await site('wanted', '-C', '-D');
    expect(run.code, run.text).toBe(0);
    const ended = endings(run, WITH_FIREWALL);
    expect(Object.keys(ended)).toEqual(['would change', 'unknown']);
    // These follow what is not there yet.
    expect(ended.unknown).toEqual(['Service', 'Service of a package', 'Command', 'Script']);
    expect(run.tasks.get('h3')!.get('Firewall')).toMatchObject({ status: 'ok' });
    const h1 = run.tasks.get('h1')!;
    expect(h1.get('Line')!.diffs).toMatchObject([
      { path: '/etc/issue', after: expect.stringMatching(/^Authorised people only\nDebian/) },
    ]);
    expect(h1.get('Secret file')!.diffs).toEqual([]);
    expect(run.text).not.toMatch(/hush|labsalt/);
    expect(await onAll(fingerprint)).toEqual(seen);
  });

  it('a run brings all of it about, as the hosts themselves say', async () => {
    const run = await site('wanted');
    expect(run.code, run.text).toBe(0);
    expect(Object.keys(endings(run, WITH_FIREWALL))).toEqual(['changed']);
    const summary = run.tasks.get('h3')!.get('Firewall')!.summary;
    expect(summary).toContain('neither firewalld nor ufw is active: nothing to open');
    expect(run.text).not.toMatch(/hush|labsalt/);
    await onAll(async (host) => expect(await on(host, WITNESSED)).toBe(asWanted(host)));
    expect(await on('h1', 'ufw status | tr -s " "')).toContain('7000:7001/udp ALLOW fd00::/8');
    expect((await on('h1', 'ufw show added')).split('\n').slice(1).sort()).toEqual(UFW_RULES);
    for (const kept of ['', '--permanent']) {
      const ports = await on('h2', `firewall-cmd ${kept} --list-ports`);
      expect(ports.split(' ').sort()).toEqual(['53/udp', '8080/tcp', '9000-9010/tcp']);
      expect((await on('h2', `firewall-cmd ${kept} --list-rich-rules`)).split('\n')).toHaveLength(6);
    }
  });

  it('a second run, and check mode, find nothing to do, in one look for each host', async () => {
    const seen = await onAll(fingerprint);
    const check = await site('wanted', '-C', '-D');
    const run = await site('wanted', '-D');
    for (const one of [check, run]) {
      expect(one.code, one.text).toBe(0);
      expect(Object.keys(endings(one))).toEqual(['ok']);
    }
    expect(await onAll(fingerprint)).toEqual(seen);
    for (const host of HOSTS) expect(check.tasks.get(host)!.get('Round trips')!.summary).toBe(LOOK);
  });

  it('what was changed by hand is put right, with a diff, and nothing else', async () => {
    await onAll((host) => on(host, DRIFT));
    const check = await site('wanted', '-C', '-D');
    // A command's conditions may go by what is put right before, which may also bring what is not to be there.
    expect(endings(check)).toMatchObject({
      'would change': DRIFTED.slice(0, -2),
      unknown: ['Command', 'Script', 'Absent'],
    });
    const run = await site('wanted', '-D');
    expect(run.code, run.text).toBe(0);
    expect(endings(run).changed).toEqual(DRIFTED);
    for (const host of HOSTS) {
      const { diffs } = run.tasks.get(host)!.get('Block')!;
      expect(diffs).toMatchObject([{ path: '/etc/issue.net', before: /No way/, after: /No exit/ }].map(matching));
    }
    await onAll(async (host) => expect(await on(host, WITNESSED)).toBe(asWanted(host)));
    expect(Object.keys(endings(await site('wanted')))).toEqual(['ok']);
  });

  it('diffs are shown on the screen, and none of a secret', async () => {
    await onAll((host) => on(host, 'echo x >>/srv/app/hello; echo x >>/srv/app/key'));
    const words = ['wanted', '-i', lab.inventoryFile, '-e', `archive=${join(folder, 'app.tar.gz')}`, '-C', '-D'];
    const { stdout, code } = await runPlay(words, { cwd: SITE });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\+\+\+ \/srv\/app\/hello\n@@.*\n hello\n-x\n/m);
    expect(stdout).toContain('/srv/app/key: content');
    expect(stdout).not.toContain('hush');
  });

  it('another version of a package takes its place, and its configuration stays', async () => {
    await onAll((host) => on(host, 'echo mine >/etc/lab-web.conf'));
    const run = await site('wanted', '-e', 'web=2.0-1');
    expect(run.tasks.get('h1')!.get('Packages')!.summary).toMatch(/installed: lab-web 1\.0-1 → 2\.0-1/);
    const installed = await onAll((host) => on(host, "dpkg-query -W -f '${Version}' lab-web; cat /etc/lab-web.conf"));
    expect(installed).toEqual(HOSTS.map(() => '2.0-1mine'));
    const back = await site('wanted');
    expect([back.code, back.text]).toEqual([2, expect.stringContaining('allow-downgrades')]);
  });

  it('is undone in the same way: told, done, and then there is nothing to do', async () => {
    const seen = await onAll(fingerprint);
    const check = await site('undone', '-C');
    expect(Object.keys(endings(check))).toEqual(['would change']);
    expect(await onAll(fingerprint)).toEqual(seen);
    const run = await site('undone');
    expect(run.code, run.text).toBe(0);
    // A user takes a group of the same name along.
    expect(endings(run)).toMatchObject({ ok: ['Group'] });
    expect(Object.keys(endings(await site('undone')))).toEqual(['ok']);
    await onAll((host) => on(host, 'mkdir -p /srv/old/below; touch /srv/old/below/file'));
    expect(await onAll((host) => state(host))).toEqual(before);
  });
});

describe('what systemd and dpkg do besides', () => {
  it('a service that crashes is stopped, and a script of init.d starts at boot or not', async () => {
    const crashing = '[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=60\n';
    const script =
      '#!/bin/sh\n### BEGIN INIT INFO\n# Provides: old\n# Default-Start: 2 3 4 5\n### END INIT INFO\nexit 0\n';
    const lines = [
      `printf '${crashing}' >/etc/systemd/system/crashing.service; printf '${script}' >/etc/init.d/old`,
      'chmod +x /etc/init.d/old; update-rc.d old defaults; systemctl daemon-reload; systemctl start crashing',
      'until systemctl show -p ActiveState --value crashing | grep activating; do sleep 0.1; done',
    ];
    expect(await onAll((host) => on(host, lines.join('; ')))).toEqual(HOSTS.map(() => 'activating'));
    expect(endings(await site('services', '-C'))).toEqual({ 'would change': ['Crashing', 'Old'] });
    expect(endings(await site('services'))).toEqual({ changed: ['Crashing', 'Old'] });
    expect(endings(await site('services'))).toEqual({ ok: ['Crashing', 'Old'] });
    const said = await onAll((host) =>
      on(host, 'systemctl is-active crashing; systemctl is-enabled old 2>/dev/null; :'),
    );
    expect(said).toEqual(HOSTS.map(() => 'inactive\ndisabled'));
  });
});

describe('packages', () => {
  it('are brought to their end where dpkg was cut off', async () => {
    // As a power loss would: dpkg and apt are gone in the middle of a package's own script.
    const lines = [
      'export DEBIAN_FRONTEND=noninteractive; apt-get -q -y install lab-slow >/dev/null 2>&1 & apt=$!',
      'until script=$(pidof -x lab-slow.postinst); do sleep 0.1; done',
      'kill -9 "$apt" $(ps -o ppid= -p "$script"); kill -9 "$script"; touch /run/quick',
      'sleep 0.3; ls /var/lib/dpkg/updates | wc -l',
    ];
    for (const said of await onAll((host) => on(host, lines.join('\n')))) expect(Number(said)).toBeGreaterThan(0);
    expect(endings(await site('slow'))).toEqual({ changed: ['Slow'] });
    expect(endings(await site('slow'))).toEqual({ ok: ['Slow'] });
    expect(await onAll((host) => on(host, "dpkg-query -W -f '${Status}' lab-slow"))).toEqual(
      HOSTS.map(() => 'install ok installed'),
    );
  });
});

describe('the round trips of a play that has nothing to do', () => {
  it('are as many for 5 tasks as for 50', async () => {
    const trips: string[][] = [];
    for (const tasks of ['5', '50']) {
      await site('many', '-e', `tasks=${tasks}`);
      // Check mode, since the lock of a run that takes long is renewed by a round trip now and then.
      const again = await site('many', '-C', '-e', `tasks=${tasks}`);
      expect(again.tasks.get('h1')!.size).toBe(Number(tasks) + 1);
      expect(Object.keys(endings(again))).toEqual(['ok']);
      trips.push(HOSTS.map((host) => again.tasks.get(host)!.get('Round trips')!.summary));
    }
    expect(trips).toEqual([HOSTS.map(() => LOOK), HOSTS.map(() => LOOK)]);
  });
});

describe("a stranger's playbook, as it stands in docs/web-server.md", () => {
  it('runs a web server on fresh hosts', async () => {
    const page = readFileSync(join(DOCS, 'web-server.md'), 'utf8');
    const files = [...page.matchAll(/^`([\w./-]+)`[^\n]*\n(?:[^\n`]+\n)*\n```\w+\n([\s\S]*?)^```/gm)];
    const names = files.map(([, name]) => name!);
    expect(names).toEqual(['hosts.ini', 'playbooks/web.ts', 'templates/index.html.hbs', 'templates/site.conf.hbs']);
    const cwd = join(folder, 'docs');
    for (const [, name, text] of files) {
      mkdirSync(dirname(join(cwd, name!)), { recursive: true });
      writeFileSync(join(cwd, name!), text!);
    }
    // Where the page's hosts really are: a second inventory, in the place of its addresses.
    const real = HOSTS.map((host) => `web${host.slice(1)} ansible_host=${lab.addressOf(host)}`);
    const reach = `ansible_ssh_private_key_file=${lab.keyFile}\nansible_ssh_common_args=-o UserKnownHostsFile=${lab.knownHostsFile}`;
    writeFileSync(join(folder, 'real.ini'), `[web]\n${real.join('\n')}\n[web:vars]\n${reach}\n`);
    const lines = page.match(/^play .*$/gm)!.map((line) => line.split(' #')[0]!.trim().split(/\s+/).slice(1));
    const results: PlayResult[] = [];
    for (const words of lines) {
      const at = words.indexOf('hosts.ini') + 1;
      results.push(await runPlay(words.toSpliced(at, 0, '-i', join(folder, 'real.ini')), { cwd }));
    }
    for (const { code, text } of results) expect(code, text).toBe(0);
    const [help, tasks, check, run, again, closed] = results.map(({ stdout }) => stdout);
    expect(help).toMatch(/site_title.*heading of the page/s);
    expect(tasks).toContain('nginx is installed');
    expect(check).toMatch(/would change: \[web1\] nginx is installed/);
    expect(check).toMatch(/unknown: \[web1\] The page comes/);
    expect(check).toContain('+<h1>Fish & chips</h1>');
    expect(run).toMatch(/changed: \[web3\] nginx reads it/);
    expect(run).toMatch(/ok: \[web3\] The page comes \(\d+ bytes\)/);
    expect(again).not.toMatch(/changed: \[/);
    expect(closed).toContain('+<h1>Closed</h1>');
    expect(closed).not.toContain('nginx reads it');
  });
});
