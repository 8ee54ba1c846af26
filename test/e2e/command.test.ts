import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensurePackages } from '../lab/packages.ts';
import { PLAY, type PlayOptions, type PlayResult, runPlay } from './play.ts';
import { processorSeconds, shortWork } from './processor-time.ts';
import { TerminalWindow } from './window.ts';

let lab: Lab;
let folder: string;
let inventory: string[];

const WEB = `
import { file, play, playbook, step, task, variable } from 'etcd-play';
export default playbook({
  name: 'web', description: 'a page on each host', hosts: 'etcd',
  variables: {
    page_text: variable.text('what the page says', { default: 'hello' }),
    page_port: variable.port('where it is served', { default: 8080 }),
  },
  plays: (run) => [
    play('Pages', {
      serial: 1,
      tags: ['page'],
      tasks: [
        task('Page is there', ({ host }) => file({ path: '/srv/page', content: run.valuesOf(host).page_text + '\\n', mode: 0o644 }), { notify: 'Reload' }),
        step('Page is read', async ({ connect }) => {
          const { stdout } = await (await connect()).run('cat /srv/page');
          return { value: stdout.trim() };
        }),
        step('Page is told', async ({ host, connect, result }) => {
          await (await connect()).run('cat >>/root/pages', { input: text(host + ' says ' + result('Page is read')?.value + '\\n') });
          return { changed: true };
        }, { delegateTo: () => 'h1', tags: ['tell'] }),
        step('Only where it is new', () => ({ changed: true }), { when: ({ result }) => result('Page is there')?.changed || 'it is old' }),
      ],
      handlers: [step('Reload', async ({ connect }) => {
        await (await connect()).run('echo reloaded >>/root/reloads');
        return { changed: true };
      })],
    }),
  ],
});
function text(words) {
  const bytes = Buffer.from(words);
  return { sizeBytes: bytes.length, open: () => [bytes] };
}`;

const SOME = `
import { play, playbook, step } from 'etcd-play';
const look = (name) => step(name, async ({ connect }) => {
  const { code } = await (await connect()).run('test ! -e /root/broken');
  if (code !== 0) throw new Error('it is broken');
});
export default playbook({
  name: 'some', description: 'goes on with some', hosts: 'etcd',
  plays: (run) => [
    play('One', { anyErrorFatal: run.inventory.varsOf('h1').get('strict') !== undefined, tasks: [look('First'), look('Second')] }),
    play('Two', { tasks: [look('Third')] }),
  ],
});`;

beforeAll(async () => {
  await ensurePackages(['zsh']);
  lab = await openLab({ name: 'command', hosts: 2, fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'command-'));
  for (const name of ['playbooks', 'home']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'playbooks', 'web.ts'), WEB);
  writeFileSync(join(folder, 'playbooks', 'some.ts'), SOME);
  inventory = ['-i', lab.inventoryFile];
});
afterEach(() => {
  rmSync(join(folder, 'play.cfg'), { force: true });
  rmSync(join(folder, 'home', 'etcd-play'), { recursive: true, force: true });
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

/** Runs `play` in the user's folder, with a home and records of its own. */
const play = (words: readonly string[], { env, ...rest }: PlayOptions = {}) => {
  const own = { XDG_STATE_HOME: join(folder, 'state'), XDG_CONFIG_HOME: join(folder, 'home') };
  return runPlay(words, { cwd: folder, env: { ...own, ...env }, ...rest });
};

interface Event {
  type: string;
  [name: string]: unknown;
}

/** What a program reads: every line of standard output is an event. */
function eventsOf({ stdout }: PlayResult): Event[] {
  const lines = stdout.split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line) as Event);
}

const tasksIn = (events: readonly Event[]) =>
  events.flatMap(({ type, host, task, status }) => (type === 'task-end' ? [`${host} ${task} ${status}`] : []));

describe('--output json', () => {
  it.each<[string, () => string[], number, string[]]>([
    ['a run', () => ['web', ...inventory, '-C'], 0, ['run-start', 'run-end']],
    ['exec', () => ['exec', 'h1', ...inventory, '--', 'echo hi'], 0, ['run-start', 'message', 'run-end']],
    ['an exec that fails', () => ['exec', 'all', ...inventory, '--', 'false'], 2, ['run-start', 'message', 'run-end']],
    ['ping', () => ['ping', 'etcd', ...inventory], 0, ['run-start', 'run-end']],
    ['--list-hosts', () => ['web', ...inventory, '--list-hosts'], 0, ['outline']],
    ['--list-tasks', () => ['web', ...inventory, '--list-tasks', '--tags', 'no-such'], 0, ['outline']],
    ['--list-tags', () => ['web', ...inventory, '--list-tags'], 0, ['outline']],
    ['--syntax-check', () => ['web', ...inventory, '--syntax-check'], 0, ['outline']],
    ['list', () => ['list'], 0, ['playbook']],
    ['runs', () => ['runs'], 0, ['run']],
    ['no such inventory', () => ['web', '-i', 'missing.ini'], 1, ['error']],
    ['no such playbook', () => ['webb', ...inventory], 1, ['error']],
    ['no such host', () => ['web', ...inventory, '-l', 'h9'], 1, ['error']],
    ['no such option', () => ['web', ...inventory, '--frobnicate'], 1, ['error']],
    ['no such run', () => ['runs', 'show', 'x'], 1, ['error']],
    ['a bad variable', () => ['web', ...inventory, '-e', 'page_port=many'], 1, ['error']],
  ])('gives events and nothing else on standard output: %s', async (_, words, code, types) => {
    const [first, ...rest] = words();
    const behind = rest.indexOf('--');
    const at = behind < 0 ? rest.length : behind;
    const result = await play([first!, ...rest.slice(0, at), '--output', 'json', ...rest.slice(at)]);
    expect(result.code, result.text).toBe(code);
    const seen = eventsOf(result).map(({ type }) => type);
    expect([...new Set(seen)]).toEqual(expect.arrayContaining(types));
    if (types.length === 1) expect(new Set(seen)).toEqual(new Set(types));
  });

  it('tells what a command said on each host, and an error with all that is known of it', async () => {
    const said = eventsOf(await play(['exec', 'h2', ...inventory, '--output', 'json', '--', 'echo out; echo err >&2']));
    expect(said.find(({ type }) => type === 'message')?.data).toEqual({
      ...{ host: 'h2', code: 0, stdout: 'out\n', stderr: 'err\n' },
    });
    const { error } = eventsOf(await play(['web', ...inventory, '--output', 'json', '-e', 'page_port=many']))[0]!;
    expect(error).toMatchObject({ name: 'InputError', exitCode: 1, message: expect.stringContaining('page_port') });
  });
});

describe('more than a row of tasks', () => {
  it('runs hosts in turn, on another host, by what was seen, and handlers where something changed', async () => {
    const first = await play(['web', ...inventory, '--output', 'json']);
    expect(first.code, first.text).toBe(0);
    const done = (host: string) => [
      `${host} Page is there changed`,
      `${host} Page is read ok`,
      `${host} Page is told changed`,
      `${host} Only where it is new changed`,
      `${host} Reload changed`,
    ];
    expect(tasksIn(eventsOf(first))).toEqual([...done('h1'), ...done('h2')]);
    expect((await lab.exec('h1', 'cat /root/pages')).stdout).toBe('h1 says hello\nh2 says hello\n');
    expect((await lab.exec('h2', 'cat /root/reloads; ls /root/pages 2>/dev/null')).stdout).toBe('reloaded\n');
    const again = eventsOf(await play(['web', ...inventory, '--output', 'json', '--skip-tags', 'tell']));
    expect(tasksIn(again).filter((words) => words.startsWith('h2'))).toEqual([
      'h2 Page is there ok',
      'h2 Page is read ok',
      'h2 Only where it is new skipped',
    ]);
  });

  it('ends for all where one host fails, unless its author has the others go on', async () => {
    await lab.exec('h2', 'touch /root/broken');
    const lenient = await play(['some', ...inventory, '--output', 'json']);
    expect(lenient.code).toBe(2);
    expect(tasksIn(eventsOf(lenient)).toSorted()).toEqual([
      'h1 First ok',
      'h1 Second ok',
      'h1 Third ok',
      'h2 First failed',
    ]);
    const strict = tasksIn(eventsOf(await play(['some', ...inventory, '--output', 'json', '-e', 'strict=1'])));
    await lab.exec('h2', 'rm /root/broken');
    expect(strict).not.toContain('h1 Third ok');
    expect(strict).toContain('h2 First failed');
  });
});

describe('-v', () => {
  it.each<[string, RegExp[], RegExp[]]>([
    ['', [/^ {2}ok: \[h1\] Page is there$/m], [/connected in/, /script \d/]],
    ['-v', [/^ {2}ok: \[h1\] Page is there (\d+ ms|[\d.]+ s)$/m], [/connected in/, /script \d/]],
    ['-vv', [/\[h1\] connected in .*: root@.*:22, key \S+$/m, /\[h1\] script \d+: exit 0 after/], [/\| /]],
    ['-vvv', [/\[h1\] script \d+: exit 0/, /^ {4}\| .*stat/m, /^ {4}> /m], []],
  ])('%s says as much as it should', async (option, wanted, unwanted) => {
    const { code, stdout } = await play(['web', ...inventory, '-l', 'h1', '-C', ...(option ? [option] : [])]);
    expect(code).toBe(0);
    for (const pattern of wanted) expect(stdout).toMatch(pattern);
    for (const pattern of unwanted) expect(stdout).not.toMatch(pattern);
  });
});

describe('commands beside playbooks', () => {
  it('exec shows what each host said, under its name, and fails where it failed', async () => {
    const { code, stdout } = await play(['exec', 'all', ...inventory, '--', 'uname -n; test "$(uname -n)" = h1']);
    expect(code).toBe(2);
    expect(stdout).toContain('h1 (exit 0)\nh1\n');
    expect(stdout).toContain('h2 (exit 1)\nh2\n');
    expect(stdout).toMatch(/^h2 +: ok=0 +changed=0 +unreachable=0 +failed=1/m);
    const words = await play(['exec', 'h1', ...inventory, '--', 'printf', '%s|', 'a b', '$HOME', '-x']);
    expect(words.stdout).toContain('\na b|$HOME|-x|\n');
    expect((await play(['exec', 'h1', ...inventory, '-C', '--', 'touch', '/root/x'])).stdout).toContain(
      'unknown: [h1]',
    );
    expect((await lab.exec('h1', 'ls /root/x')).code).not.toBe(0);
  });

  it('ping says who it is on each host', async () => {
    const plain = ['ping', 'etcd', ...inventory, '-e', 'ansible_user=plain'];
    expect((await play(plain)).stdout).toMatch(/ok: \[h1\] Host answers \(plain on h1, [\d.]+ ms\)/);
    expect((await play([...plain, '-b'])).stdout).toMatch(/ok: \[h2\] Host answers \(root on h2, /);
  });

  it('list and --help say what playbooks are for', async () => {
    expect((await play(['list'])).stdout).toMatch(/^web +a page on each host$/m);
    const { stdout } = await play(['web', '--help']);
    expect(stdout).toContain('a page on each host');
    expect(stdout).toMatch(/page_port +where it is served \[port; default: 8080\]/);
  });

  it('runs lists what was run, and shows what it changed', async () => {
    await play(['web', ...inventory, '-e', 'page_text=again', '-e', 'api_token=hush']);
    const [first] = (await play(['runs'])).stdout.split('\n');
    expect(first).toMatch(/^\S+ {2}\S+Z {2}root {2}web on 2 hosts: 8 changes, exit 0 after/);
    const { stdout } = await play(['runs', 'show', first!.split(' ')[0]!]);
    expect(stdout).toContain(`  play web ${inventory.join(' ')} -e page_text=again -e api_token=***`);
    expect(stdout).toContain('  hosts: h1, h2');
    expect(stdout).toMatch(/changed: \[h2\] Page is there \(\/srv\/page: content\)/);
  });
});

describe('play.cfg', () => {
  it('gives defaults, that of the project above that of the home, and the command line above both', async () => {
    mkdirSync(join(folder, 'home', 'etcd-play'));
    writeFileSync(join(folder, 'home', 'etcd-play', 'play.cfg'), '[defaults]\nverbose = 1\nlimit = h2\n');
    writeFileSync(join(folder, 'play.cfg'), `[defaults]\ninventory = ${lab.inventoryFile}\nlimit = h1\n`);
    expect((await play(['web', '-C'])).stdout).toMatch(/^web on h1 [\s\S]*\[h1\] Page is there .*(\d+ ms|[\d.]+ s)$/m);
    expect((await play(['web', '-C', '-l', 'h2'])).stdout).toMatch(/^web on h2 /m);
    // Commands that do not take all of it are not disturbed.
    for (const words of [['list'], ['runs'], ['inventory', '--graph'], ['ping', 'all']]) {
      const { code, text } = await play(words);
      expect(code, text).toBe(0);
    }
    writeFileSync(join(folder, 'play.cfg'), '[defaults]\noutput = json\n');
    expect(eventsOf(await play(['web', '-i', 'missing.ini']))[0]!.type).toBe('error');
  });
});

describe('the shell', () => {
  it.each([
    ['bash', ['--norc'], 'source <(play completion bash)'],
    ['zsh', ['-f'], 'autoload -Uz compinit; compinit -u; source <(play completion zsh)'],
  ])('%s completes playbooks, options, hosts and files', async (shell, options, set) => {
    const bin = join(folder, 'bin');
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'play'), `#!/bin/sh\nexec ${process.execPath} ${PLAY} "$@"\n`, { mode: 0o755 });
    const env = { PATH: `${bin}:${process.env.PATH}`, PS1: '$ ', HOME: join(folder, 'home'), INPUTRC: '/dev/null' };
    writeFileSync(join(folder, 'some-inventory.ini'), '[etcd]\nalpha.example.com\n');
    const window = await TerminalWindow.open(`exec ${shell} ${options.join(' ')}`, { columns: 120, cwd: folder, env });
    try {
      await window.type(`PS1='$ '; ${set}; echo re''ady`);
      await window.press('Enter');
      await window.until(/^ready\n\$ ?$/m);
      for (const [typed, done] of [
        ['play we', 'play web '],
        ['-i some-inv', '-i some-inventory.ini '],
        ['-l alp', '-l alpha.example.com '],
        ['--list-h', '--list-hosts'],
      ] as const) {
        const shown = (text: string) => window.until(new RegExp(`${text.trimEnd().replaceAll('.', '\\.')}$`));
        await window.type(typed);
        // A Tab that comes before the words were read may be taken for one of them.
        await shown(typed);
        await window.press('Tab');
        await shown(done);
        // What is completed has a space behind it.
      }
      await window.press('Enter');
      await window.until(/hosts \(1\):\n +alpha\.example\.com/);
    } finally {
      await window.close();
    }
  });
});

describe('bad input', () => {
  it('is told after 0.3 s of work at most', async () => {
    const words = [process.execPath, PLAY, 'create_etcd', '-i', 'missing.ini'];
    expect(await processorSeconds(words, folder)).toBeLessThan(await shortWork());
  });
});
