import { basename } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import type { HostLeft } from '../plan/migrate-offline.ts';
import { markPath, parseMark } from '../restore/mark.ts';
import type { EtcdSettings } from '../variables.ts';

/** The marks in data that were restored on a host: those in place, and the newest beside them. */
export async function lookForMarks(connection: Connection, { dataDir }: EtcdSettings): Promise<HostLeft> {
  const path = quote(markPath(dataDir));
  const name = basename(markPath(dataDir));
  const script = [
    `[ -f ${path} ] && { read -r m <${path}; echo "in place $m"; }`,
    `for f in ${quote(dataDir)}.restore-*/${name}; do [ -f "$f" ] && { read -r m <"$f"; echo "beside $m"; }; done; :`,
  ];
  const result = await connection.run(script.join('\n'));
  if (result.code !== 0) throw new RemoteCommandError('looking for an earlier run', result, { next: 'Run again.' });
  const lines = result.stdout.split('\n');
  const of = (word: string) => {
    const marks = lines.flatMap((line) => (line.startsWith(word) ? (parseMark(line.slice(word.length)) ?? []) : []));
    return marks.toSorted((a, b) => (a.stamp < b.stamp ? 1 : -1))[0];
  };
  return { inPlace: of('in place '), beside: of('beside ') };
}
