import { quote } from '../../connection/quote.ts';

/**
 * Prints what looks like the name of a hidden key in the log and the snapshots of a member: lists leave such keys out, and
 * nothing else tells of them. All that v2 holds went through these files, which begin the names with `/1`.
 */
export function hiddenScript(snapDir: string, walDir: string): string {
  return [
    'LC_ALL=C; export LC_ALL',
    `for f in ${quote(snapDir)}/*.snap ${quote(walDir)}/*.wal; do`,
    '  [ -f "$f" ] || continue',
    // A quotation mark ends a name in both: in JSON by itself, in the log as the tag of the value that follows it.
    `  tr '\\000-\\037"\\177' '\\n\\n\\n' <"$f" | grep -aoE '/1(/[^/]+)*/_.*'`,
    'done | sort -u | head -n 100000',
  ].join('\n');
}

/** The hidden keys and directories to ask for, the outer ones first. Some may be long gone, or never have been. */
export function hiddenNames(printed: string): string[] {
  const names = new Set<string>();
  for (const line of printed.split('\n')) {
    for (const spelt of new Set([line, unescaped(line)])) {
      const parts = spelt.split('/').slice(2);
      for (const [at, part] of parts.entries()) {
        if (part.startsWith('_')) names.add(`/${parts.slice(0, at + 1).join('/')}`);
      }
    }
  }
  return [...names].sort();
}

/** As it is meant, where it stands in JSON. */
function unescaped(line: string): string {
  if (!line.includes('\\')) return line;
  try {
    return JSON.parse(`"${line}"`) as string;
  } catch {
    return line;
  }
}
