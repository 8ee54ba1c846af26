import { isPublished, type Member } from './cluster.ts';

/** Rows under a head, framed as etcdctl's `-w table` frames them. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]!.length)));
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+`;
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [rule, line(head), rule, ...rows.map(line), rule].join('\n');
}

export function memberTable(members: readonly Member[], leaderId: string | undefined): string {
  const learners = members.some((member) => member.isLearner);
  const head = ['ID', 'STATUS', 'NAME', 'PEER ADDRS', 'CLIENT ADDRS', 'IS LEADER', ...(learners ? ['IS LEARNER'] : [])];
  const rows = [...members]
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((member) => [
      member.id,
      isPublished(member) ? 'started' : 'unstarted',
      member.name,
      member.peerUrls.join(','),
      member.clientUrls.join(','),
      String(member.id === leaderId),
      ...(learners ? [String(member.isLearner)] : []),
    ]);
  return table(head, rows);
}

export interface EndpointHealth {
  endpoint: string;
  healthy: boolean;
  tookMs: number;
  error: string;
}

export function healthTable(endpoints: readonly EndpointHealth[]): string {
  const rows = endpoints.map(({ endpoint, healthy, tookMs, error }) => [
    endpoint,
    String(healthy),
    `${tookMs.toFixed(2)}ms`,
    error,
  ]);
  return table(['ENDPOINT', 'HEALTH', 'TOOK', 'ERROR'], rows);
}
