import type { Chance } from '../inventory/random.ts';

/** A file of this name appears where a value was run: in `/`, where scripts begin, or in the working directory. */
export const CANARY = 'canary';

const COMMANDS = [
  `$(touch ${CANARY})`,
  `\`touch ${CANARY}\``,
  `;touch ${CANARY};`,
  `|touch ${CANARY}|`,
  `&touch ${CANARY}&`,
  `\ntouch ${CANARY}\n`,
  `\rtouch ${CANARY}\r`,
  `'$(touch ${CANARY})'`,
  `"$(touch ${CANARY})"`,
  `';touch ${CANARY};'`,
  `";touch ${CANARY};"`,
  `)\ntouch ${CANARY}\n(`,
  `\nEND\ntouch ${CANARY}\n`,
  `\${x:-$(touch ${CANARY})}`,
  `$'\\x0atouch ${CANARY}'`,
  `{{ lookup('pipe', 'touch ${CANARY}') }}`,
  `{{#each x}}$(touch ${CANARY}){{/each}}`,
] as const;

const SIGNS = [
  "'",
  '"',
  '`',
  '\\',
  '$',
  '$HOME',
  '$$',
  '%',
  '%i',
  '%n %%h',
  '{{ x }}',
  '{{{ x }}}',
  '{{> x}}',
  '{% x %}',
  '{# x #}',
  '!',
  '!!',
  '*',
  '?',
  '[a-z]',
  '~',
  '~root',
  '#',
  ' # c',
  ' ',
  '  ',
  '\t',
  '\n',
  '\r\n',
  '\r',
  '=',
  ':',
  ';',
  ',',
  '|',
  '&',
  '<',
  '>',
  '(',
  ')',
  '{',
  '}',
  '-',
  '--',
  '-rf',
  '--help',
  '-o ProxyCommand=x',
  '@',
  '@file',
  '..',
  ' -> ',
  '\u0007',
  '\u001b[31m',
  '\u007f',
  '\u0085',
  '\u2028',
  '\u202e',
  '\ufeff',
  'é',
  'é',
  '数据',
  '🦀',
  'word',
  '0',
  '1e9',
  'null',
] as const;

export interface WickedOptions {
  /** How many characters at most, roughly. Default 200. */
  longest?: number;
  /** Characters that the field cannot hold, and so are left out. */
  without?: RegExp;
}

/** A text made of what shells, templates, systemd and terminals read in ways of their own. Never empty. */
export function wickedText(random: Chance, { longest = 200, without }: WickedOptions = {}): string {
  const parts: string[] = Array.from({ length: 1 + random.below(6) }, () =>
    random.pick<string>(random.percent(40) ? COMMANDS : SIGNS),
  );
  if (random.percent(2)) parts.push('x'.repeat(longest));
  const text = parts
    .join('')
    .slice(0, longest)
    .replace(/\p{Cs}/gu, '');
  const fitting = without ? text.replace(new RegExp(without, `${without.flags.replace('g', '')}g`), '') : text;
  return fitting || 'x';
}
