import { parseAddress } from './address.ts';
import type { IniDocument } from './parse-ini.ts';

/**
 * Reads `-i web1,web2:2222,` : hosts without a file. A comma makes it a list, so one host alone is written `web1,`.
 * Ranges are not expanded, as in Ansible.
 */
export function parseHostList(list: string): IniDocument {
  const statements: IniDocument['statements'] = [];
  const seen = new Set<string>();
  for (const item of list.split(',').map((part) => part.trim())) {
    const address = parseAddress(item);
    const { host, port } = address && !address.host.includes('[') ? address : { host: item };
    if (item === '' || seen.has(host)) continue;
    seen.add(host);
    statements.push({
      kind: 'hosts',
      line: 1,
      group: 'ungrouped',
      hosts: [host],
      ...(port === undefined ? {} : { port }),
      vars: [],
    });
  }
  return { file: list, statements, warnings: [] };
}
