import { createRequire } from 'node:module';
import type { TextDiff } from '../resource/resource.ts';
import type { Paint } from './words.ts';

/** A unified diff with three lines of context. The library is loaded when the first diff is shown. */
export function diffText(diff: TextDiff, paint: Paint): string {
  const { createTwoFilesPatch } = createRequire(import.meta.url)('diff') as typeof import('diff');
  const before = diff.before === '' ? '/dev/null' : diff.path;
  const patch = createTwoFilesPatch(before, diff.path, diff.before, diff.after, '', '', { context: 3 });
  // Above the two names stands a rule, and sometimes more.
  return patch
    .slice(patch.indexOf('--- '))
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => paintLine(line, paint))
    .join('\n');
}

function paintLine(line: string, paint: Paint): string {
  if (line.startsWith('+')) return paint('green', line);
  if (line.startsWith('-')) return paint('red', line);
  return line.startsWith('@@') ? paint('cyan', line) : line;
}
