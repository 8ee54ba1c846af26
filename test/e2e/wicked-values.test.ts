import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../src/connection/connection.ts';
import { openConnection } from '../../src/connection/open.ts';
import { connectionSettings } from '../../src/connection/settings.ts';
import { quoteEnvironmentValue } from '../../src/etcd/environment-file.ts';
import { loadInventory } from '../../src/inventory/load.ts';
import { absent } from '../../src/resource/absent.ts';
import { command } from '../../src/resource/command.ts';
import { copy } from '../../src/resource/copy.ts';
import { directory } from '../../src/resource/directory.ts';
import { file } from '../../src/resource/file.ts';
import { lineInFile } from '../../src/resource/line-in-file.ts';
import { link } from '../../src/resource/link.ts';
import type { Resource } from '../../src/resource/resource.ts';
import { script } from '../../src/resource/script.ts';
import { template } from '../../src/resource/template.ts';
import { timer } from '../../src/resource/timer.ts';
import { user } from '../../src/resource/user.ts';
import { applyAll, probeAll } from '../../src/runner/batch.ts';
import { etcdVars } from '../lab/etcd-vars.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { CANARY, wickedText } from '../unit/fuzz/values.ts';
import { chance } from '../unit/inventory/random.ts';
import { runPlay } from './play.ts';

const HOSTS = ['h1', 'h2'];
const SEED = 20_261_121;

let lab: Lab;
let folder: string;
const connections = new Map<string, Connection>();

beforeAll(async () => {
  lab = await openLab({ name: 'wicked', hosts: HOSTS.length, suites: [11, 13], fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'wicked-'));
  const inventory = await loadInventory([lab.inventoryFile]);
  for (const host of HOSTS) {
    const settings = connectionSettings(host, inventory.varsOf(host), { become: true });
    connections.set(host, await openConnection(settings));
  }
});
afterAll(async () => {
  for (const connection of connections.values()) connection.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

const onAll = <T>(work: (connection: Connection, host: string) => Promise<T>) =>
  Promise.all(HOSTS.map((host) => work(connections.get(host)!, host)));

/** Brings resources about in one go, then looks whether anything still differs. */
async function bringAbout(connection: Connection, all: readonly Resource[]): Promise<void> {
  await apply(
    connection,
    all.filter(({ follows }) => !follows),
  );
  await apply(
    connection,
    all.filter(({ follows }) => follows),
  );
}

async function apply(connection: Connection, resources: readonly Resource[]): Promise<void> {
  const found = await probeAll(connection, resources);
  const changes = resources.flatMap((one, index) => one.compare(found[index]!) ?? []);
  await applyAll(connection, changes, (index, { code, output }) => {
    if (code !== 0) throw new Error(`${JSON.stringify(changes[index]!.apply).slice(0, 1000)}: ${output}`);
  });
}

async function stillDue(connection: Connection, resources: readonly Resource[]): Promise<string[]> {
  const found = await probeAll(connection, resources);
  return resources.flatMap((one, index) => {
    const change = one.compare(found[index]!);
    return change ? `${one.kind} ${JSON.stringify(one.id)}: ${change.summary}` : [];
  });
}

/** What a witness of the host's own, python, reads: for each path its type and content, or where a link leads. */
async function witness(host: string, paths: readonly string[]): Promise<(string | null)[]> {
  const asked = JSON.stringify(paths.map((path) => Buffer.from(path).toString('hex')));
  const program = `
import json, os, sys
def look(p):
    if os.path.islink(p): return 'link ' + os.readlink(p).hex()
    if os.path.isdir(p): return 'directory'
    try: return 'file ' + open(p, 'rb').read().hex()
    except FileNotFoundError: return None
print(json.dumps([look(bytes.fromhex(p)) for p in json.loads('''${asked}''')]))
`;
  const { stdout, stderr } = await lab.exec(host, `python3 - <<'PROGRAM'\n${program}\nPROGRAM`);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as (string | null)[];
}

const hex = (text: string) => Buffer.from(text).toString('hex');

async function canaries(): Promise<string[]> {
  const found = await onAll(async (_, host) => (await lab.exec(host, `find / -xdev -name ${CANARY}`)).stdout);
  return found.filter((one) => one !== '');
}

const NAME = { without: /[/\0]/, longest: 60 } as const;

describe('values of every kind', () => {
  it('are names and contents of files, to the byte', async () => {
    const random = chance(SEED);
    const cases = Array.from({ length: 150 }, (_, n) => ({
      path: `/srv/files/${n}${wickedText(random, NAME)}`,
      content: wickedText(random, { without: /\0/, longest: n === 7 ? 300_000 : 2_000 }),
    }));
    const resources = [
      directory({ path: '/srv/files', mode: 0o755 }),
      ...cases.map((one) => file({ ...one, mode: 0o600 })),
    ];
    await onAll(async (connection, host) => {
      await bringAbout(connection, resources);
      expect(await stillDue(connection, resources)).toEqual([]);
      const seen = await witness(
        host,
        cases.map(({ path }) => path),
      );
      expect(seen).toEqual(cases.map(({ content }) => `file ${hex(content)}`));
    });
  });

  it('are directories, and what links lead to, and are removed by name', async () => {
    const random = chance(SEED + 1);
    const paths = Array.from({ length: 60 }, (_, n) => `/srv/dirs/${n}${wickedText(random, NAME)}`);
    const dirs = paths.slice(0, 30);
    const links = paths
      .slice(30)
      .map((path) => ({ path, target: wickedText(random, { without: /\0/, longest: 200 }) }));
    const resources = [...dirs.map((path) => directory({ path, mode: 0o700 })), ...links.map(link)];
    await onAll(async (connection, host) => {
      await bringAbout(connection, [directory({ path: '/srv/dirs', mode: 0o755 }), ...resources]);
      expect(await stillDue(connection, resources)).toEqual([]);
      const seen = await witness(host, paths);
      expect(seen).toEqual([...dirs.map(() => 'directory'), ...links.map(({ target }) => `link ${hex(target)}`)]);
      const gone = paths.map((path) => absent({ path, recurse: true }));
      await bringAbout(connection, gone);
      expect(await witness(host, [...paths, '/srv/dirs'])).toEqual([...paths.map(() => null), 'directory']);
    });
  });

  it('go through templates, copies and lines of files as they are', async () => {
    const random = chance(SEED + 2);
    mkdirSync(join(folder, 'templates'), { recursive: true });
    writeFileSync(join(folder, 'templates', 'w.hbs'), 'a={{a}}\n{{#each list}}- {{this}}\n{{/each}}{{map.key}}\n');
    const cases = Array.from({ length: 40 }, (_, n) => {
      const [a = '', b = '', c = '', d = ''] = Array.from({ length: 4 }, () => wickedText(random, { without: /\0/ }));
      return { n, a, list: [b, c], map: { key: d } };
    });
    const templates = cases.map(({ n, ...vars }) =>
      template({ template: 'w.hbs', dirs: [join(folder, 'templates')], vars, path: `/srv/lines/t${n}`, mode: 0o644 }),
    );
    const copies = cases.map(({ n, a }) => {
      const source = join(folder, `c${n}`);
      writeFileSync(source, a);
      return copy({ source, path: `/srv/lines/c${n}${wickedText(random, NAME)}`, mode: 0o644 });
    });
    const lines = cases.map(({ n, a }) => {
      const line = a.replace(/[\r\n]/g, '');
      return { path: `/srv/lines/l${n}`, line };
    });
    await onAll(async (connection, host) => {
      await bringAbout(connection, [
        directory({ path: '/srv/lines', mode: 0o755 }),
        ...lines.map(({ path }) => file({ path, content: 'first\n', mode: 0o644 })),
      ]);
      const resources = [...templates, ...copies, ...lines.map((one) => lineInFile(one))];
      await bringAbout(connection, resources);
      expect(await stillDue(connection, resources)).toEqual([]);
      const seen = await witness(
        host,
        resources.map(({ paths }) => paths![0]!),
      );
      expect(seen).toEqual([
        ...cases.map(
          ({ a, list, map }) => `file ${hex(`a=${a}\n${list.map((one) => `- ${one}\n`).join('')}${map.key}\n`)}`,
        ),
        ...cases.map(({ a }) => `file ${hex(a)}`),
        ...lines.map(({ line }) => `file ${hex(`first\n${line}\n`)}`),
      ]);
    });
  });

  it('are arguments and variables of commands and scripts', async () => {
    const random = chance(SEED + 3);
    const say = `import sys, os; open(sys.argv[1], 'wb').write(b'\\0'.join(os.fsencode(a) for a in sys.argv[2:]) + b'|' + os.environb.get(b'W', b''))`;
    const cases = Array.from({ length: 40 }, (_, n) => ({
      n,
      words: Array.from({ length: 3 }, () => wickedText(random, { without: /\0/ })),
      W: wickedText(random, { without: /\0/ }),
    }));
    const path = (n: number) => `/srv/words/${n}`;
    const resources = cases.map(({ n, words, W }) =>
      n % 2
        ? command({ argv: ['python3', '-c', say, path(n), ...words], env: { W }, creates: path(n) })
        : script({ text: `#!/usr/bin/python3\n${say}`, args: [path(n), ...words], env: { W }, creates: path(n) }),
    );
    await onAll(async (connection, host) => {
      await bringAbout(connection, [directory({ path: '/srv/words', mode: 0o755 })]);
      await bringAbout(connection, resources);
      expect(
        await witness(
          host,
          cases.map(({ n }) => path(n)),
        ),
      ).toEqual(cases.map(({ words, W }) => `file ${hex(`${words.join('\0')}|${W}`)}`));
    });
  });

  it('are commands of timers, which systemd itself reads back and runs', async () => {
    const random = chance(SEED + 4);
    const say = `import sys, os; open(sys.argv[1], 'wb').write(b'\\0'.join(os.fsencode(a) for a in sys.argv[2:]))`;
    const cases = Array.from({ length: 3 }, (_, n) => ({
      n,
      words: Array.from({ length: 30 }, () => wickedText(random, { without: /\0/ })),
      description: wickedText(random, { without: /[\0\r\n\\]/ }),
    }));
    const path = (n: number) => `/srv/timers/${n}`;
    const resources = cases.flatMap(({ n, words, description }) =>
      timer({
        name: `wicked-${n}`,
        description,
        onCalendar: 'yearly',
        command: ['/usr/bin/python3', '-c', say, path(n), ...words],
      }),
    );
    await onAll(async (connection, host) => {
      await bringAbout(connection, [directory({ path: '/srv/timers', mode: 0o755 }), ...resources]);
      expect(await stillDue(connection, resources)).toEqual([]);
      const units = cases.map(({ n }) => `wicked-${n}.service`).join(' ');
      const { stderr } = await lab.exec(host, `systemctl start ${units}`);
      expect(stderr).toBe('');
      expect(
        await witness(
          host,
          cases.map(({ n }) => path(n)),
        ),
      ).toEqual(cases.map(({ words }) => `file ${hex(words.join('\0'))}`));
      const shown = await lab.exec(host, `systemctl show -p Description ${units}`);
      expect(shown.stdout.split('\n').filter(Boolean)).toEqual(
        cases.map(({ description }) => `Description=${description.replace(/^[ \t]+|[ \t]+$/g, '')}`),
      );
    });
  });

  it('are comments of users', async () => {
    const random = chance(SEED + 5);
    const cases = Array.from({ length: 10 }, (_, n) => ({
      name: `wicked${n}`,
      comment: wickedText(random, { without: /[\p{Cc}:]/u, longest: 100 }),
    }));
    const resources = cases.map((one) => user({ ...one, system: true }));
    await onAll(async (connection) => {
      await bringAbout(connection, resources);
      expect(await stillDue(connection, resources)).toEqual([]);
    });
  });

  it('are variables of an environment file, as systemd itself reads it', async () => {
    const random = chance(SEED + 6);
    const values = Array.from({ length: 150 }, () => wickedText(random, { without: /[^\t\P{Cc}]/u, longest: 3_000 }));
    const content = values.map((value, n) => `W${n}=${quoteEnvironmentValue(value)}\n`).join('');
    const say = `import os, json; print(json.dumps([os.environb[b"W%d" % n].hex() for n in range(${values.length})]))`;
    await onAll(async (connection, host) => {
      await bringAbout(connection, [file({ path: '/srv/environment', content, mode: 0o644 })]);
      const run = `systemd-run --quiet --pipe --wait -p EnvironmentFile=/srv/environment python3 -c '${say}'`;
      const { stdout, stderr } = await lab.exec(host, run);
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual(values.map(hex));
    });
  });

  it('were never run', async () => {
    expect(await canaries()).toEqual([]);
  });
});

/** The inventory of the lab with these variables for each of some names, written as YAML (of which JSON is a part). */
function inventoryOf(hosts: Readonly<Record<string, Record<string, unknown>>>): string {
  const path = join(folder, 'hosts.yml');
  const common = {
    ansible_user: 'root',
    ansible_ssh_private_key_file: lab.keyFile,
    ansible_ssh_common_args: `-F none -o UserKnownHostsFile=${lab.knownHostsFile}`,
  };
  writeFileSync(path, JSON.stringify({ etcd: { hosts, vars: common } }));
  return path;
}

describe('on the command line and in the inventory, values', () => {
  const play = (...words: string[]) => runPlay(words, { cwd: folder });

  it('are names of hosts and words of a command', async () => {
    const random = chance(SEED + 7);
    const names = Array.from(
      { length: 16 },
      (_, n) => `${n}${wickedText(random, { without: /[[\]:\0]/, longest: 80 })}`,
    );
    const hosts = names.map((name, n) => [name, { ansible_host: lab.addressOf(HOSTS[n % 2]!) }]);
    const inventory = inventoryOf(Object.fromEntries(hosts));
    const words = Array.from({ length: 30 }, () => wickedText(random, { without: /\0/ }));
    const say = 'import sys, os; print([os.fsencode(a).hex() for a in sys.argv[1:]])';
    const { code, stdout, text } = await play(
      ...['exec', 'all', '-i', inventory, '--output', 'json', '--', 'python3', '-c', say, ...words],
    );
    expect(code, text).toBe(0);
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const said = events.filter(({ type }) => type === 'message').map((event) => String(event.text));
    const list = `[${words.map((word) => `'${hex(word)}'`).join(', ')}]`;
    expect(said.map((one) => one.slice(one.lastIndexOf('\n') + 1))).toEqual(names.map(() => list));
    const ended = events.filter(({ type }) => type === 'task-end');
    expect(ended.map(({ host }) => host).sort()).toEqual([...names].sort());

    const pinged = await play('ping', 'all', '-i', inventory);
    expect(pinged.code, pinged.text).toBe(0);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: nothing that is printed may move the cursor
    expect(pinged.text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  });

  it('are users, keys, ports and arguments of ssh, and at most refused', async () => {
    const random = chance(SEED + 8);
    const value = () => wickedText(random, { without: /\0/, longest: 80 });
    const times = <T>(count: number, make: () => T) => Array.from({ length: count }, make);
    const proxy = `-F none -o "ProxyCommand=sh -c 'exec nc %h %p # %r %n'"`;
    // What fails on one host only may be tried on many at once; what is bad input ends a run before it begins.
    const together = [
      ...times(6, () => ({ ansible_user: value() })),
      ...times(6, () => ({ ansible_user: 'plain', ansible_become_user: value() })),
      ...times(6, () => ({ ansible_user: 'careful', ansible_become_password: value().replace(/[\r\n]/g, '') })),
      ...times(6, () => ({ ansible_private_key_file: value() })),
      ...times(6, () => ({
        ansible_password: value(),
        ansible_user: 'careful',
        ansible_private_key_file: '/dev/null',
      })),
      ...times(6, () => ({ ansible_ssh_common_args: proxy, ansible_host: `x${value()}` })),
      ...times(6, () => ({ ansible_ssh_common_args: proxy, ansible_user: value() })),
    ];
    const alone = [
      ...times(3, () => ({ ansible_user: 'careful', ansible_become_password: `x\ntouch ${CANARY}` })),
      ...times(3, () => ({ ansible_port: value() })),
      ...times(5, () => ({ ansible_ssh_common_args: `-F none -o ProxyJump=${value()}` })),
      ...times(5, () => ({ ansible_ssh_extra_args: `-l ${value()}` })),
    ];
    for (const all of [together, ...alone.map((one) => [one])]) {
      const inventory = inventoryOf(
        Object.fromEntries(
          all.map((vars, n) => [`n${n}`, { ansible_host: lab.addressOf('h2'), ansible_timeout: 2, ...vars }]),
        ),
      );
      const { code, text } = await play('ping', 'all', '-b', '-i', inventory);
      const whole = `${JSON.stringify(all)}\n${text}`;
      expect(whole).not.toMatch(/unexpected|fault of the playbook|node:internal/);
      expect([0, 1, 2, 4], whole).toContain(code);
    }
  });

  it('are patterns, tags and tasks, and at most refused', async () => {
    const random = chance(SEED + 9);
    const value = () => wickedText(random, { without: /\0/, longest: 80 });
    const inventory = inventoryOf({ h2: { ansible_host: lab.addressOf('h2') } });
    for (const option of ['-l', '-t', '--skip-tags', '--start-at-task', '-e', '-f', '-u', '--output']) {
      const { code, text } = await play('create_etcd', '-i', inventory, '--list-tasks', `${option}=${value()}`);
      expect(text).not.toMatch(/unexpected|fault of the playbook|node:internal/);
      expect([0, 1], text).toContain(code);
    }
  });

  it('reach etcd itself as they are, or are refused', async () => {
    await ensureRelease('3.5.16');
    const random = chance(SEED + 10);
    const value = `${wickedText(random, { without: /[\p{Cc}\u2028]/u })}"$(touch ${CANARY})" \`touch ${CANARY}\` %i '\\`;
    const vars = { ...etcdVars('wicked', '3.5.16'), ETCD_EXTRA: { GODEBUG: value } };
    const inventory = inventoryOf({ h2: { ansible_host: lab.addressOf('h2'), ...vars } });
    const { code, text } = await play('create_etcd', '-i', inventory);
    expect(code, text).toBe(0);
    const { stdout } = await lab.exec('h2', `tr '\\0' '\\n' <"/proc/$(pidof etcd)/environ" | sed -n 's/^GODEBUG=//p'`);
    expect(stdout).toBe(`${value}\n`);
  });

  it('were never run', async () => {
    expect(await canaries()).toEqual([]);
    expect(readdirSync(folder)).not.toContain(CANARY);
    expect(existsSync(CANARY)).toBe(false);
    expect(existsSync(`/${CANARY}`)).toBe(false);
  });
});
