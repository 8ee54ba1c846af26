import type { HostStatus } from './ps.ts';
import { suites } from './suite.ts';

/** A table of hosts for a terminal. Pure. */
export function showStatus(hosts: readonly HostStatus[]): string {
  const rows = hosts.map((h) => [
    h.name,
    h.address,
    `Debian ${suites[h.suite]}`,
    h.running ? `up ${Math.round((h.uptimeMs ?? 0) / 1000)} s` : 'off',
    [h.cut && 'cut', h.frozen && 'frozen', h.roundTripMs > 0 && `+${h.roundTripMs} ms`].filter(Boolean).join(', '),
  ]);
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(0, ...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
