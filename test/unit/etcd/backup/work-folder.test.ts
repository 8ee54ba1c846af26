import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeWorkFolder } from '../../../../src/etcd/backup/work-folder.ts';
import { identityOf, identityText, type ProcessIdentity } from '../../../../src/local/process-identity.ts';

const HOUR = 3600;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'work-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What another run works in, with a file in it. */
function leave(whose: ProcessIdentity, ageSeconds = 0): string {
  const path = join(folder, `.play-work~${identityText(whose)}~0badcafe`);
  mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(path, 'snapshot.db'), 'half');
  const then = Date.now() / 1000 - ageSeconds;
  utimesSync(path, then, then);
  return path;
}

describe('the work folder of another run', () => {
  it.each<[string, Partial<ProcessIdentity>, number, boolean]>([
    ['that lives stays, however old', {}, 48 * HOUR, true],
    ['that was killed goes at once', { start: '1' }, 0, false],
    ['in another container stays', { pidNamespace: '1' }, 0, true],
    ['in another container goes after a day', { pidNamespace: '1' }, 25 * HOUR, false],
    ['on another machine of the same name stays', { boot: 'other' }, 0, true],
    ['on another machine of the same name goes after a day', { boot: 'other' }, 25 * HOUR, false],
    ['on another machine stays', { host: 'elsewhere' }, 0, true],
  ])('%s', async (_, change, ageSeconds, stays) => {
    const path = leave({ ...identityOf(), ...change }, ageSeconds);
    const own = await makeWorkFolder(folder);
    expect([existsSync(path), existsSync(own)]).toEqual([stays, true]);
  });

  it('that only another user could remove stops nobody', async () => {
    const path = leave({ ...identityOf(), start: '1' });
    chmodSync(folder, 0o777);
    process.seteuid!(65_534);
    try {
      expect(existsSync(await makeWorkFolder(folder))).toBe(true);
    } finally {
      process.seteuid!(0);
    }
    expect(existsSync(path)).toBe(true);
  });

  it('in which programs of a killed run still write stops nobody', async () => {
    const path = leave({ ...identityOf(), start: '1' });
    const writes = `i=0; while :> "$1/$i"; do i=$((i+1)); [ $i != 100 ] || echo; done`;
    const child = spawn('sh', ['-c', writes, 'sh', path], { stdio: ['ignore', 'pipe', 'ignore'] });
    const ended = once(child, 'close');
    try {
      await once(child.stdout, 'data');
      expect(existsSync(await makeWorkFolder(folder))).toBe(true);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });
});
