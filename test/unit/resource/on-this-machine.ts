import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { Connection, RunOptions } from '../../../src/connection/connection.ts';
import { ABSENT, type PathState } from '../../../src/resource/path-state.ts';
import type { Change, Found, Resource } from '../../../src/resource/resource.ts';
import { type Applied, applyAll, probeAll } from '../../../src/runner/batch.ts';
import { localShell } from '../connection/local-shell.ts';

/** A folder that is removed at the end, and what a run does with a resource, done on this very machine. */
export function onThisMachine() {
  let shell: Connection;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'resource-'));
    shell = await localShell();
  });
  afterAll(() => {
    shell.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const at = (name: string) => join(folder, name);
  const look = async (resource: Resource): Promise<Change | undefined> =>
    resource.compare((await probeAll(shell, [resource]))[0]!);
  /** Applies what is due and gives the answer of the host; undefined where nothing was due. */
  const apply = async (resource: Resource): Promise<Applied | undefined> => {
    const change = await look(resource);
    if (!change) return undefined;
    const answers: Applied[] = [];
    await applyAll(shell, [change], (_, applied) => answers.push(applied));
    return answers[0];
  };
  return { at, look, apply, run: (script: string, options?: RunOptions) => shell.run(script, options) };
}

/** What a batch would have found, made by hand. */
export function found(states: Record<string, PathState>, sums: Record<string, string> = {}, stdout = ''): Found {
  return { code: 0, stdout, stat: (path) => states[path] ?? ABSENT, sum: (path) => sums[path] };
}

export const state = (type: PathState['type'], rest: Partial<PathState> = {}): PathState => ({
  ...ABSENT,
  type,
  owner: 'root',
  group: 'root',
  mode: type === 'directory' ? 0o755 : 0o644,
  ...rest,
});
