import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { theRun } from '../../../src/cli/runs.ts';
import { PlayError } from '../../../src/errors.ts';
import type { RunEvent } from '../../../src/runner/events.ts';
import { auditScreen, readRuns } from '../../../src/screen/audit.ts';
import { eventLine } from '../../../src/screen/json.ts';
import { Secret } from '../../../src/secret.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const start: RunEvent = { type: 'run-start', playbook: 'p', hosts: ['h1'], check: false, diff: false };
const ended = (status: 'ok' | 'changed'): RunEvent => ({
  type: 'task-end',
  host: 'h1',
  task: 't',
  status,
  summary: 's',
  diffs: [{ path: '/x', before: 'old words', after: 'new words' }],
  durationMs: 1,
});
const end: RunEvent = { type: 'run-end', tallies: new Map(), errors: [], exitCode: 0, durationMs: 5 };

describe('the record of a run', () => {
  it('tells who ran what on which hosts, what was changed, and how it ended', () => {
    const { listener } = auditScreen(['p', '-i', 'hosts.ini'], () => undefined, folder);
    for (const event of [start, ended('ok'), ended('changed'), end]) listener(event);
    const [run] = readRuns(folder);
    expect(run).toMatchObject({ playbook: 'p', hosts: ['h1'], words: ['p', '-i', 'hosts.ini'], exitCode: 0 });
    expect(run?.done.map(({ host, task, status }) => [host, task, status])).toEqual([['h1', 't', 'changed']]);
  });

  it('is its own, also where another run has the same second and number of its process, and is found by its ID', () => {
    const playbooks = ['a', 'b', 'c'];
    for (const playbook of playbooks) auditScreen([], () => undefined, folder).listener({ ...start, playbook });
    const runs = readRuns(folder);
    expect(runs.map(({ playbook }) => playbook).toSorted()).toEqual(playbooks);
    for (const run of runs) {
      expect(run.id).toMatch(new RegExp(`^\\d{8}T\\d{6}-${process.pid}-[0-9a-f]{6}$`));
      expect([theRun(runs, run.id), theRun(runs, run.id.slice(0, -1))]).toEqual([run, run]);
    }
    expect(runs).toEqual(runs.toSorted((a, b) => (a.id < b.id ? 1 : -1)));
  });

  it('of a run that was killed holds what it had done so far, and does not say that it ended', () => {
    const { listener } = auditScreen([], () => undefined, folder);
    for (const event of [start, ended('changed')]) listener(event);
    const file = join(folder, readdirSync(folder)[0]!);
    appendFileSync(file, '{"type":"run-e');
    const [run] = readRuns(folder);
    expect(run?.done).toHaveLength(1);
    expect(run?.exitCode).toBeUndefined();
  });

  it('holds no content of files and no value of a variable whose name speaks of a secret', () => {
    const words = ['-e', 'ansible_become_password=hunter2', '-e', 'ETCD_VERSION=3.5.30'];
    const { listener } = auditScreen(words, () => undefined, folder);
    for (const event of [start, ended('changed'), end]) listener(event);
    const text = readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8');
    expect(text).not.toMatch(/hunter2|old words|new words/);
    expect(readRuns(folder)[0]?.words).toEqual(['-e', 'ansible_become_password=***', '-e', 'ETCD_VERSION=3.5.30']);
  });

  it('of a command holds no word behind what speaks of a secret', () => {
    const command = 'mysql --db-pw=hunter2 -e x';
    const { listener } = auditScreen(['exec', 'all', '--', command], () => undefined, folder);
    for (const event of [start, { ...ended('changed'), task: command } as RunEvent, end]) listener(event);
    expect(readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8')).not.toContain('hunter2');
    expect(readRuns(folder)[0]?.done[0]?.task).toBe('mysql --db-pw=***');
  });

  it('that cannot be written is a warning, once, and the run goes on', () => {
    const said: string[] = [];
    writeFileSync(join(folder, 'file'), '');
    const { listener } = auditScreen([], (text) => said.push(text), join(folder, 'file', 'runs'));
    for (const event of [start, ended('changed'), end]) listener(event);
    expect(said).toHaveLength(1);
  });
});

describe('an event as a line of JSON', () => {
  it('holds maps as objects, errors as their words, and no secret', () => {
    const error = new PlayError('no', { host: 'h1', next: 'do', cause: new Secret('x') });
    const tallies = new Map([['h1', { ok: 1, changed: 0, skipped: 0, failed: 1, unreachable: 0 }]]);
    const line = eventLine({ type: 'run-end', tallies, errors: [error], exitCode: 2, durationMs: 1 }, new Date(0));
    expect(line).not.toContain('\n');
    expect(JSON.parse(line)).toMatchObject({
      time: '1970-01-01T00:00:00.000Z',
      tallies: { h1: { ok: 1, failed: 1 } },
      errors: [{ message: 'no', host: 'h1', next: 'do', exitCode: 2 }],
    });
  });
});
