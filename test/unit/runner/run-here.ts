import { assembleInventory } from '../../../src/inventory/assemble.ts';
import { parseIni } from '../../../src/inventory/parse-ini.ts';
import type { RunEvent } from '../../../src/runner/events.ts';
import { type Play, type Playbook, type Plays, playbook, type RunContext } from '../../../src/runner/playbook.ts';
import { type RunReport, type RunRequest, runPlaybook } from '../../../src/runner/run.ts';

const INVENTORY = '[all:vars]\nansible_connection=local\n[web]\na\nb\nc\n';

export interface Seen {
  report: RunReport;
  events: RunEvent[];
  /** `host task status`, in the order in which they ended. */
  ended: string[];
}

export interface RunHere extends Partial<RunRequest> {
  inventoryText?: string;
  hosts?: string;
}

/** Runs plays on a, b and c, all of which are this machine. */
export async function runHere(
  plays: readonly Play[] | ((run: RunContext) => Plays),
  { inventoryText = INVENTORY, hosts = 'web', ...rest }: RunHere = {},
): Promise<Seen> {
  const events: RunEvent[] = [];
  const made: Playbook['plays'] = typeof plays === 'function' ? plays : () => plays;
  const report = await runPlaybook({
    // All hosts are this machine, which test files share: each would keep the others out.
    playbook: playbook({ name: 'test', description: '', hosts, become: false, lock: false, plays: made }),
    inventory: assembleInventory([parseIni(inventoryText, 'hosts.ini')]),
    inventoryDir: '/',
    limit: undefined,
    check: false,
    diff: false,
    templateDirs: [],
    signal: new AbortController().signal,
    listener: (event) => events.push(event),
    ...rest,
  });
  return { report, events, ended: endsIn(events) };
}

export function endsIn(events: readonly RunEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'task-end' ? [`${event.host} ${event.task} ${event.status}`] : []));
}
