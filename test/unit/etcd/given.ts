import type { GivenVariable } from '../../../src/etcd/variables.ts';

/** Variables as an inventory would give them: from `/inv/hosts.ini`, one a line, beginning with line 1. */
export function given(values: Record<string, unknown>, file = '/inv/hosts.ini'): GivenVariable[] {
  return Object.entries(values).map(([name, value], at) => ({
    name,
    value,
    raw: String(value),
    origin: { file, line: at + 1, scope: 'group etcd' },
  }));
}
