import { posix } from 'node:path';
import type { Connection } from '../../connection/connection.ts';
import { RemoteCommandError } from '../../connection/errors.ts';
import { quote } from '../../connection/quote.ts';
import type { HostLeft } from '../plan/migrate-offline.ts';
import { markPath, parseMark } from '../restore/mark.ts';
import type { EtcdSettings } from '../variables.ts';

/** The marks in data that were restored on a host: those in place, and the newest beside them. What is half in place counts as beside. */
export async function lookForMarks(connection: Connection, { dataDir, walDir }: EtcdSettings): Promise<HostLeft> {
  const path = quote(markPath(dataDir));
  const name = posix.relative(dataDir, markPath(dataDir));
  const wal = quote(walDir ?? `${dataDir}/member/wal`);
  const each = (why: string) => [`.${why}`, `/${why}`].map((one) => `${quote(dataDir)}${one}-*/${name}`).join(' ');
  const kept = [`${dataDir}.bak-`, `${dataDir}/bak-`, ...(walDir ? [`${walDir}.bak-`] : [])].map(quote).join(' ');
  const script = [
    // Without its log, which is the last to come, the swap is not done.
    `for f in ${wal}/*.wal; do w='beside'; [ -e "$f" ] && w='in place' && break; done`,
    `[ -f ${path} ] && { read -r m <${path}; echo "$w $m"; }`,
    `for f in ${each('restore')}; do [ -f "$f" ] && { read -r m <"$f"; echo "beside $m"; }; done`,
    // A way back that was cut off: something of before has not come back yet.
    `for f in ${each('failed')}; do s=\${f%/member/*}; s=\${s##*failed-}; [ -f "$f" ] || continue; for o in ${kept}; do [ -e "$o$s" ] && { read -r m <"$f"; echo "beside $m"; }; done; done`,
    ':',
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
