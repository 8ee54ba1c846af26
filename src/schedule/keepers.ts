import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { PlayError } from '../errors.ts';
import { writeWhole } from '../local/whole-file.ts';
import { exitOf, said } from './command.ts';
import { cronLines, crontabWith, isOf } from './crontab.ts';
import { type Keeper, recordFile, type Schedule } from './record.ts';
import { serviceText, timerText, unitName } from './units.ts';

/** Who keeps the clock on this machine for this user. @throws PlayError where nobody does. */
export async function keeperHere(wantsCron: boolean): Promise<Keeper> {
  if (!wantsCron) {
    if (process.getuid?.() === 0 && existsSync('/run/systemd/system')) return 'systemd';
    if (process.getuid?.() !== 0 && (await said('systemctl', ['--user', 'show-environment'])).code === 0) {
      return 'systemd --user';
    }
  }
  if ((await said('crontab', ['-l'])).code !== -1) return 'cron';
  throw new PlayError(
    wantsCron
      ? 'there is no cron on this machine'
      : 'neither systemd nor cron can be used on this machine by this user',
    { next: 'Install cron, or make the schedule as root: play schedule … --as USER.' },
  );
}

const systemctl = (keeper: Keeper, ...args: string[]) =>
  said('systemctl', [...(keeper === 'systemd' ? [] : ['--user']), ...args]);

function unitFolder(keeper: Keeper): string {
  if (keeper === 'systemd') return '/etc/systemd/system';
  return join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'systemd', 'user');
}

/** The files of a schedule, or the lines of it, as they should be. */
export function wantedFiles(schedule: Schedule): Map<string, string> {
  const file = recordFile(schedule.name);
  if (schedule.keeper === 'cron') return new Map([['crontab', `${cronLines(schedule, file).join('\n')}\n`]]);
  const at = join(unitFolder(schedule.keeper), unitName(schedule.name));
  return new Map([
    [`${at}.service`, serviceText(schedule, file)],
    [`${at}.timer`, timerText(schedule)],
  ]);
}

/** Has the schedule called from now on. */
export async function keep(schedule: Schedule): Promise<void> {
  const { keeper, name } = schedule;
  if (keeper === 'cron') return writeCrontab(schedule, cronLines(schedule, recordFile(name)));
  for (const [path, text] of wantedFiles(schedule)) await writeWhole(path, text, 0o644);
  const timer = `${unitName(name)}.timer`;
  await must(keeper, 'daemon-reload');
  await must(keeper, 'enable', '--quiet', timer);
  await must(keeper, 'restart', timer);
  // Without this a user's timers stand still while nobody is logged in.
  if (keeper === 'systemd --user') {
    const linger = await said('loginctl', ['enable-linger']);
    if (linger.code !== 0) {
      throw new PlayError(
        `the timer would stand still while ${schedule.user} is not logged in: ${linger.stderr.trim()}`,
        {
          next: `Say: sudo loginctl enable-linger ${schedule.user}`,
        },
      );
    }
  }
}

/** Ends that. A run that is under way is left to its end. */
export async function forget(schedule: Schedule): Promise<void> {
  const { keeper, name } = schedule;
  if (keeper === 'cron') return writeCrontab(schedule, []);
  const at = join(unitFolder(keeper), unitName(name));
  await systemctl(keeper, 'disable', '--now', '--quiet', `${unitName(name)}.timer`);
  for (const ending of ['timer', 'service']) await rm(`${at}.${ending}`, { force: true });
  await must(keeper, 'daemon-reload');
  await systemctl(keeper, 'reset-failed', '--quiet', `${unitName(name)}.service`);
  await systemctl(keeper, 'clean', '--what=state', `${unitName(name)}.timer`);
}

/** Why it would not be called; empty where it will be. */
export async function keeperFault({ keeper, name }: Schedule): Promise<string> {
  if (keeper === 'cron') {
    const { stdout } = await said('crontab', ['-l']);
    return stdout.split('\n').some((line) => isOf(line, name)) ? '' : 'its entry is no longer in the crontab';
  }
  const timer = await systemctl(keeper, 'is-active', `${unitName(name)}.timer`);
  return timer.code === 0 ? '' : `its timer is ${timer.stdout.trim() || 'not there'}`;
}

async function must(keeper: Keeper, ...args: string[]): Promise<void> {
  const { code, stderr } = await systemctl(keeper, ...args);
  if (code !== 0) throw new PlayError(`systemctl ${args.join(' ')}: ${stderr.trim()}`);
}

/** One at a time: of two that read it at the same moment the second would write it without what the first has added. */
async function writeCrontab({ name, stateDir }: Schedule, lines: readonly string[]): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const lock = await open(join(stateDir, '.crontab.lock'), 'a', 0o600);
  try {
    const taken = await exitOf(
      spawn('flock', ['-x', '3'], { stdio: ['ignore', 'ignore', 'inherit', lock.fd] }),
      'flock',
    );
    if (taken !== 0) throw new PlayError(`flock ended with ${taken}`);
    const before = await said('crontab', ['-l']);
    if (before.code === -1) throw new PlayError('there is no cron on this machine');
    const text = crontabWith(before.code === 0 ? before.stdout : '', name, lines);
    const { code, stderr } = await said('crontab', ['-'], text);
    if (code !== 0) throw new PlayError(`the crontab cannot be written: ${stderr.trim()}`);
  } finally {
    await lock.close();
  }
}

/** What of a schedule is not on the machine as it should be. */
export async function isKept(schedule: Schedule): Promise<boolean> {
  if ((await keeperFault(schedule)) !== '') return false;
  if (schedule.keeper === 'cron') {
    const { stdout } = await said('crontab', ['-l']);
    const own = stdout.split('\n').filter((line) => isOf(line, schedule.name));
    return own.join('\n') === cronLines(schedule, recordFile(schedule.name)).join('\n');
  }
  for (const [path, text] of wantedFiles(schedule)) {
    if ((await readFile(path, 'utf8').catch(() => undefined)) !== text) return false;
  }
  return true;
}
