import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cronLines, crontabWith } from '../../../src/schedule/crontab.ts';
import { forget, isKept, keep } from '../../../src/schedule/keepers.ts';
import { scheduleMetrics } from '../../../src/schedule/metrics.ts';
import type { Schedule } from '../../../src/schedule/record.ts';
import { isMissed, runSchedule } from '../../../src/schedule/run.ts';
import {
  isRunning,
  lockFile,
  lookAtRuns,
  type RunOfSchedule,
  readState,
  scheduleFault,
} from '../../../src/schedule/state.ts';
import { serviceText, timerText, unitWord } from '../../../src/schedule/units.ts';

const made = (given: Partial<Schedule> = {}): Schedule => ({
  format: 1,
  name: 'nightly',
  every: '0 3 * * *',
  user: 'ops',
  keeper: 'systemd',
  words: ['backup_etcd', '-i', '/srv/hosts.ini'],
  folder: '/srv',
  command: ['/usr/bin/node', '/opt/play/main.js'],
  stateDir: '/home/ops/.local/state/etcd-play/schedules',
  metrics: null,
  createdAt: '2026-08-01T00:00:00.000Z',
  ...given,
});

describe('units of a schedule', () => {
  it('call play with the record, as the user, in the folder, without a limit of time', () => {
    const text = serviceText(made(), '/etc/etcd-play/schedules/nightly.json');
    expect(text).toContain('\nUser=ops\n');
    expect(text).toContain('\nWorkingDirectory=/srv\n');
    expect(text).toContain(
      '\nExecStart=/usr/bin/node /opt/play/main.js schedule --run /etc/etcd-play/schedules/nightly.json\n',
    );
  });

  it('name no user where they are the user’s own', () => {
    expect(serviceText(made({ keeper: 'systemd --user' }), '/r.json')).not.toContain('User=');
  });

  it('make up for missed runs', () => {
    expect(timerText(made())).toMatch(/OnCalendar=\*-\*-\* 03:00:00\nPersistent=true\n/);
  });

  it.each([
    ['/usr/bin/node', '/usr/bin/node'],
    ['/srv/my files/x', '"/srv/my files/x"'],
    ['/srv/50%', '/srv/50%%'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['$HOME', '$$HOME'],
  ])('quote %s as systemd wants it', (word, quoted) => {
    expect(unitWord(word)).toBe(quoted);
  });
});

describe('a crontab', () => {
  const lines = cronLines(made({ keeper: 'cron', folder: '/srv/50% off' }), '/r/nightly.json');
  const others = '# mine\nMAILTO=me\n5 * * * * /bin/other # etcd-play nightly-2\n';

  it('gets a line for the time and one for what was missed, with no % that cron would read', () => {
    expect(lines[1]).toBe(
      "0 3 * * * cd '/srv/50\\% off' && /usr/bin/node /opt/play/main.js schedule --run /r/nightly.json >/dev/null # etcd-play nightly",
    );
    expect(lines[2]).toMatch(/^@reboot .* --missed >\/dev\/null # etcd-play nightly$/);
  });

  it('keeps what others wrote, is the same when written twice, and as before when removed', () => {
    const once = crontabWith(others, 'nightly', lines);
    expect(once).toBe(`${others}${lines.join('\n')}\n`);
    expect(crontabWith(once, 'nightly', lines)).toBe(once);
    expect(crontabWith(once, 'nightly', [])).toBe(others);
    expect(crontabWith(crontabWith('', 'nightly', lines), 'nightly', [])).toBe('');
  });
});

describe('two schedules that are made at once', () => {
  const { PATH } = process.env;
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'crontab-'));
    const table = join(folder, 'table');
    const lines = ['#!/bin/sh', `[ "$1" = -l ] && exec cat ${table}`, `cat >${table}.$$ && mv ${table}.$$ ${table}`];
    writeFileSync(join(folder, 'crontab'), lines.join('\n'), { mode: 0o755 });
    writeFileSync(table, '# mine\n');
    process.env.PATH = `${folder}:${PATH}`;
  });
  afterAll(() => {
    process.env.PATH = PATH;
    rmSync(folder, { recursive: true, force: true });
  });

  it('are both in the crontab, and go from it together', async () => {
    const all = ['one', 'two', 'three'].map((name) => made({ keeper: 'cron', name, stateDir: join(folder, 'state') }));
    await Promise.all(all.map(keep));
    for (const schedule of all) expect(await isKept(schedule), schedule.name).toBe(true);
    await Promise.all(all.map(forget));
    expect(readFileSync(join(folder, 'table'), 'utf8')).toBe('# mine\n');
  });
});

const run = (startedAt: string, exitCode: number | null): RunOfSchedule => ({
  startedAt,
  endedAt: exitCode === null ? null : startedAt,
  exitCode,
  words: [],
});
const noon = new Date('2026-08-02T12:00:00Z');

describe('what is wrong with a schedule', () => {
  it.each<[string, RunOfSchedule[], boolean, string, Date, string]>([
    ['nothing: it ran', [run('2026-08-02T03:00:00Z', 0)], false, '', noon, ''],
    ['nothing: its first time is to come', [], false, '', new Date('2026-08-01T02:00:00Z'), ''],
    ['the run before failed', [run('2026-08-02T03:00:00Z', 2)], false, '', noon, 'the last run ended with 2'],
    ['the run was killed', [run('2026-08-02T03:00:00Z', null)], false, '', noon, 'the last run was cut off'],
    ['nothing: it runs', [run('2026-08-02T03:00:00Z', null), run('2026-08-01T03:00:00Z', 0)], true, '', noon, ''],
    [
      'it runs, but the one before failed',
      [run('2026-08-02T03:00:00Z', null), run('2026-08-01T03:00:00Z', 4)],
      true,
      '',
      noon,
      'the last run ended with 4',
    ],
    [
      'the run before failed, and the next one begins',
      [run('2026-08-02T03:00:00Z', 2)],
      true,
      '',
      noon,
      'the last run ended with 2',
    ],
    ['nobody calls it', [], false, 'its timer is inactive', noon, 'its timer is inactive'],
    ['nothing: it may be a little late', [], false, '', new Date('2026-08-01T03:10:00Z'), ''],
    ['it did not run', [], false, '', noon, 'it should have run at 2026-08-01T03:00:00.000Z'],
  ])('%s', (_, runs, running, keeper, now, fault) => {
    const schedule = made({ createdAt: '2026-08-01T00:00:00.000Z' });
    expect(scheduleFault(schedule, { runs, lastGoodAt: null }, running, keeper, now)).toBe(fault);
  });

  it.each([
    ['2026-08-02T02:59:00Z', [run('2026-08-01T03:00:00Z', 0)], false],
    ['2026-08-02T03:00:00Z', [run('2026-08-01T03:00:00Z', 0)], true],
    ['2026-08-05T10:00:00Z', [run('2026-08-01T03:00:00Z', 0)], true],
    ['2026-08-01T02:00:00Z', [], false],
    ['2026-08-01T04:00:00Z', [], true],
  ])('at %s a run was missed or not', (now, runs, missed) => {
    expect(isMissed(made(), { runs, lastGoodAt: null }, new Date(now))).toBe(missed);
  });
});

describe('figures of a schedule', () => {
  it('say when it ran, how that ended, and when it last ended well', () => {
    const state = { runs: [run('2026-08-02T03:00:00Z', 2)], lastGoodAt: '2026-08-01T03:00:01Z' };
    expect(scheduleMetrics(made(), state).match(/^etcd.*$/gm)).toEqual([
      'etcd_play_schedule_last_run_timestamp_seconds{schedule="nightly",playbook="backup_etcd"} 1785639600',
      'etcd_play_schedule_last_run_exit_code{schedule="nightly",playbook="backup_etcd"} 2',
      'etcd_play_schedule_last_success_timestamp_seconds{schedule="nightly",playbook="backup_etcd"} 1785553201',
    ]);
  });

  it('have no line for what is not known', () => {
    expect(scheduleMetrics(made(), { runs: [], lastGoodAt: null })).toBe('');
  });
});

describe('a run of a schedule', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'schedule-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function recorded(name: string, script: string): { schedule: Schedule; file: string } {
    const schedule = made({
      name,
      folder,
      stateDir: join(folder, 'state'),
      command: ['/bin/sh', '-c'],
      words: [script],
    });
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(schedule));
    return { schedule, file };
  }

  it.each([
    ['good', 'echo fine', 0, []],
    ['bad', 'echo one; echo two >&2; exit 2', 2, ['one', 'two']],
    ['silent', 'exit 4', 4, ['']],
    ['killed', 'kill -9 $$', 137, ['']],
  ])('that is %s is noted with its end', async (name, script, code, words) => {
    const { schedule, file } = recorded(name, script);
    expect(await runSchedule(file, false)).toBe(code);
    const { runs, lastGoodAt } = await readState(schedule);
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({ exitCode: code, words: expect.arrayContaining(words) });
    expect(lastGoodAt === null).toBe(code !== 0);
    expect(await isRunning(schedule)).toBe(false);
  });

  it('has noted its end by the time that its lock is free', async () => {
    // Somebody keeps its output open, and not its lock: its end is noted a second after it.
    const go = join(folder, 'go');
    const { schedule, file } = recorded('short', `until [ -e ${go} ]; do sleep 0.05; done; sleep 1 3>&- &`);
    const run = runSchedule(file, false);
    await expect.poll(() => isRunning(schedule), { interval: 5 }).toBe(true);
    writeFileSync(go, '');
    while (await isRunning(schedule));
    expect((await readState(schedule)).runs[0]).toMatchObject({ exitCode: 0 });
    await run;
  });

  it('is not taken for cut off where it begins or ends during a look', async () => {
    const { schedule, file } = recorded('looked-at', 'sleep 0.1');
    let over = false;
    const runs = (async () => {
      for (let n = 0; n < 8; n++) await runSchedule(file, false);
      over = true;
    })();
    while (!over) {
      const { state, running } = await lookAtRuns(schedule);
      expect(scheduleFault(schedule, state, running, '', new Date(schedule.createdAt))).toBe('');
    }
    await runs;
    expect((await readState(schedule)).runs).toHaveLength(8);
  });

  it('is left out while the one before is under way, and not noted', async () => {
    const [begun, end] = [join(folder, 'begun'), join(folder, 'end')];
    const script = `touch ${begun}; echo x; until [ -e ${end} ]; do sleep 0.05; done`;
    const { schedule, file } = recorded('slow', script);
    const first = runSchedule(file, false);
    await expect.poll(() => existsSync(begun)).toBe(true);
    expect(await isRunning(schedule)).toBe(true);
    expect(await runSchedule(file, false)).toBe(0);
    writeFileSync(end, '');
    expect(await first).toBe(0);
    expect((await readState(schedule)).runs).toHaveLength(1);
  });

  it('waits for those who only look, however long they take', async () => {
    const { schedule, file } = recorded('watched', 'exit 0');
    mkdirSync(schedule.stateDir, { recursive: true });
    const looking = spawn('flock', ['-s', lockFile(schedule), 'sh', '-c', 'echo looks; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(looking.stdout, 'data');
    const run = runSchedule(file, false);
    // Longer than a look takes on a machine that is busy.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    looking.stdin.end();
    expect(await run).toBe(0);
    expect((await readState(schedule)).runs).toHaveLength(1);
  });
});
