import { randomBytes } from 'node:crypto';
import type { Connection } from '../connection/connection.ts';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { ABSENT, parseStats, parseSums, statScript, sumScript } from '../resource/path-state.ts';
import type { Change, Found, NewText, Resource, TextDiff } from '../resource/resource.ts';

export interface Applied {
  code: number;
  output: string;
}

/**
 * Looks at any number of resources in one round trip: all their paths by one `stat`, all their sums by one `sha256sum`,
 * then their own snippets. The order of the answers is the order of the resources.
 */
export async function probeAll(connection: Connection, resources: readonly Resource[]): Promise<Found[]> {
  if (resources.length === 0) return [];
  const mark = `probe-${randomBytes(8).toString('hex')}`;
  const paths = [...new Set(resources.flatMap((resource) => resource.paths ?? []))];
  const sums = [...new Set(resources.flatMap((resource) => resource.sums ?? []))];
  const snippets = [
    paths.length > 0 ? statScript(paths) : ':',
    sums.length > 0 ? sumScript(sums) : ':',
    ...resources.flatMap(({ probe }) => (probe === undefined ? [] : [probe])),
  ];
  const script = snippets.map((snippet) => `( ${snippet}\n) 2>&1\nprintf '\\n%s %d\\n' ${mark} "$?"`).join('\n');
  const { stdout, code } = await connection.run(script);
  const [stats, summed, ...answers] = splitByMark(stdout, mark);
  // What was not looked at is unknown, not absent.
  if (!stats || !summed) throw new PlayError(`the host was not looked at: its shell ended with status ${code}`);
  const states = parseStats(stats.output, paths);
  const found = parseSums(summed.output);
  return resources.map(({ probe, kind, id }) => {
    const answer = probe === undefined ? { code: 0, output: '' } : answers.shift();
    if (!answer) throw new PlayError(`the probe of ${kind} ${id} gave no answer`);
    return {
      code: answer.code,
      stdout: answer.output,
      stat: (path) => states.get(path) ?? ABSENT,
      sum: (path) => found.get(path),
    };
  });
}

/** Fetches what stands in files now, for showing how they will differ; a file that is not there, or is huge, is empty. */
export async function withBefore(connection: Connection, texts: readonly NewText[]): Promise<TextDiff[]> {
  if (texts.length === 0) return [];
  const mark = `text-${randomBytes(8).toString('hex')}`;
  const show = (path: string) => {
    const p = quote(path);
    return `[ -f ${p} ] && [ "$(stat -c %s -- ${p})" -le ${LARGEST_DIFF_BYTES} ] && cat -- ${p}`;
  };
  const script = texts.map(({ path }) => `( ${show(path)} )\nprintf '\\n%s %d\\n' ${mark} "$?"`).join('\n');
  const { stdout } = await connection.run(script);
  const before = splitByMark(stdout, mark);
  return texts.map((text, index) => ({ ...text, before: before[index]?.output ?? '' }));
}

const LARGEST_DIFF_BYTES = 262_144;

/**
 * Applies changes in order, in one round trip for each run of those that need none of their own. Stops at the first that fails:
 * its answer is the last one given.
 */
export async function applyAll(
  connection: Connection,
  changes: readonly Change[],
  onApplied: (index: number, applied: Applied) => void,
): Promise<void> {
  let next = 0;
  while (next < changes.length) {
    const { input, apply, timeoutMs } = changes[next]!;
    if (isAlone(changes[next]!)) {
      const result = await connection.run(`exec 2>&1\nset -e\n${apply}`, {
        ...(input ? { input } : {}),
        ...(timeoutMs ? { timeoutMs } : {}),
      });
      onApplied(next, { code: result.code, output: result.stdout });
      if (result.code !== 0) return;
      next++;
      continue;
    }
    let end = next;
    while (end < changes.length && !isAlone(changes[end]!)) end++;
    const row = changes.slice(next, end);
    const applied = await applyRow(connection, row);
    for (const [offset, one] of applied.entries()) onApplied(next + offset, one);
    if (applied.at(-1)?.code !== 0) return;
    next = end;
  }
}

/** One with bytes to read, or with a deadline of its own, has a round trip to itself. */
function isAlone({ input, timeoutMs }: Change): boolean {
  return input !== undefined || timeoutMs !== undefined;
}

async function applyRow(connection: Connection, row: readonly Change[]): Promise<Applied[]> {
  const mark = `apply-${randomBytes(8).toString('hex')}`;
  // `set -e` must stand inside and the status be read outside: under `||` the shell would ignore it.
  const step = ({ apply }: Change) =>
    `( set -e\n${apply}\n) 2>&1\nr=$?; printf '\\n%s %d\\n' ${mark} "$r"; [ "$r" = 0 ] || exit 0`;
  const result = await connection.run(row.map(step).join('\n'));
  const applied = splitByMark(result.stdout, mark);
  if (applied.length === row.length || applied.at(-1)?.code) return applied;
  // The shell itself was ended (out of memory, a signal) while it was at the next one.
  return [...applied, { code: result.code || 1, output: result.stderr || 'the shell was ended before it was done' }];
}

/** Splits `output, newline, mark, space, status, newline` again and again. */
export function splitByMark(text: string, mark: string): Applied[] {
  const parts: Applied[] = [];
  let from = 0;
  for (;;) {
    const at = text.indexOf(`\n${mark} `, from);
    if (at < 0) return parts;
    const end = text.indexOf('\n', at + 1);
    parts.push({ output: text.slice(from, at), code: Number(text.slice(at + mark.length + 2, end)) });
    from = end + 1;
  }
}
