import { describe, expect, it } from 'vitest';
import { execPlaybook } from '../../../src/cli/exec.ts';
import type { RunOptions } from '../../../src/connection/connection.ts';
import type { HostContext, HostTask, Play, RunContext } from '../../../src/runner/playbook.ts';
import { runHere } from '../runner/run-here.ts';

/** What the connection is asked for. */
async function asked(timeoutMs?: number): Promise<RunOptions | undefined> {
  let options: RunOptions | undefined;
  const run = { say: () => undefined } as unknown as RunContext;
  const [play] = (await execPlaybook('all', ['id'], false, timeoutMs).plays(run)) as Play[];
  const [task] = play!.tasks as HostTask[];
  const connection = {
    run: async (_: string, given?: RunOptions) => {
      options = given;
      return { code: 0, stdout: '', stderr: '', durationMs: 1 };
    },
  };
  await task!.run({ host: 'a', connect: async () => connection } as unknown as HostContext);
  return options;
}

describe('a command of play exec', () => {
  it('may take as long as it does, unless a limit was given', async () => {
    expect(await asked()).toEqual({ timeoutMs: Number.POSITIVE_INFINITY });
    expect(await asked(5_000)).toEqual({ timeoutMs: 5_000 });
  });

  it('is ended after its limit', async () => {
    const { report } = await runHere([], { playbook: execPlaybook('a', ['sleep 100'], false, 50) });
    expect(report.errors[0]?.message).toMatch(/took longer/);
  });

  it('starts at home, and in / where there is no home', async () => {
    const { events } = await runHere([], { playbook: execPlaybook('a', ['pwd'], false) });
    const said = events.find((event) => event.type === 'message');
    expect(said).toMatchObject({ data: { stdout: `${process.env.HOME}\n` } });
    const home = process.env.HOME;
    process.env.HOME = '/nosuch';
    try {
      const { events: homeless } = await runHere([], { playbook: execPlaybook('a', ['pwd'], false) });
      const data = { code: 0, stdout: '/\n', stderr: '' };
      expect(homeless.find((event) => event.type === 'message')).toMatchObject({ data });
    } finally {
      process.env.HOME = home;
    }
  });
});
