import type { Chance } from './random.ts';

const VALUES = [
  '1',
  '-5',
  '1.10',
  '1.5',
  '0644',
  '0x1F',
  '1_000',
  '1e3',
  'True',
  'true',
  'None',
  'yes',
  'plain',
  '/a/b:c',
  '10.0.0.1',
  '87600h',
  "'quoted'",
  '"quoted"',
  "'1'",
  "[1, 'a']",
  "{'a': 1, 'b': [True]}",
  '(1,)',
  '80,443',
  'a,b',
  '',
  'x=y',
  '$(id)',
  '`id`',
  '{{ other }}',
  '8080 # c',
  'word # c',
  'a#b',
  "it's",
  'a b',
  '\\n',
  "'\\n'",
  'é',
  '99999999999999999999',
  '-0',
  '{"a": null}',
  '[',
  "u'x'",
  "'a' 'b'",
  '.5',
  '5.',
  '00',
  '007',
  'a;b',
  '; c',
] as const;

const BAD_LINES = [
  'h a',
  'h "open',
  'h[1:',
  'h[b:a]',
  'h[:]',
  '[bad section]',
  '[g:nokind]',
  'h:',
  '---',
  'h v={[1]:2}',
  '[x] ; y',
  'h a = 1',
  '[no:vars]',
  'h[01:100]',
] as const;

const VARIABLES = ['a', 'b', 'c', 'ansible_port', 'ETCD_PEER_PORT', 'x-y'] as const;

/** A random inventory whose hosts and groups all begin with `prefix`. About one in five is not valid. */
export function generateInventory(random: Chance, prefix: string): string {
  const groups = ['a', 'b', 'c', 'd', 'e'].map((name) => prefix + name);
  const lines: string[] = [];
  const host = () => {
    const name =
      prefix +
      random.pick(['h1', 'h2', 'h3', 'n[1:3]', 'n[01:03]x', 'n[a:c]', 'n[0:6:3]-[a:b]', 'h.example.com', 'h_-']);
    return name + (random.percent(15) ? random.pick([':22', ':0', ':2222']) : '');
  };
  const hostLine = () => {
    const words = Array.from({ length: random.below(3) }, () => {
      const value = random.pick(VALUES);
      const shown = random.percent(70)
        ? `'${value.replaceAll("'", `'"'"'`)}'`
        : random.percent(50)
          ? value
          : JSON.stringify(value);
      return `${random.pick(VARIABLES)}=${shown}`;
    });
    return [host(), ...words].join(random.pick([' ', '  ', '\t'])) + (random.percent(10) ? ' # comment' : '');
  };
  const section = () => {
    const group = random.percent(5) ? random.pick(['all', 'ungrouped']) : random.pick(groups);
    const kind = random.pick(['', '', '', ':vars', ':children', ':hosts']);
    lines.push(`[${group}${kind}]${random.percent(10) ? ' # comment' : ''}`);
    for (let left = random.below(4); left > 0; left--) {
      if (random.percent(1)) lines.push(random.pick(BAD_LINES));
      else if (random.percent(10)) lines.push(random.pick(['', '# comment', '; comment', '   ']));
      else if (kind === ':vars' && group === 'all')
        lines.push(`${prefix}${random.pick(VARIABLES)}=${random.pick(VALUES)}`);
      else if (kind === ':vars' && random.percent(8)) lines.push(`ansible_group_priority=${random.pick([0, 2, 10])}`);
      else if (kind === ':vars')
        lines.push(`${random.pick(VARIABLES)}${random.pick(['=', ' = ', '= '])}${random.pick(VALUES)}`);
      // Children come later in the alphabet, so that loops are rare.
      else if (kind === ':children') lines.push(random.pick(groups.slice(Math.min(4, groups.indexOf(group) + 1))));
      else lines.push(hostLine());
    }
  };
  if (random.percent(50)) lines.push(hostLine());
  for (let left = 2 + random.below(6); left > 0; left--) section();
  // Most groups that were only named are declared in the end.
  if (random.percent(85)) lines.push(...groups.map((group) => `[${group}]`));
  return `${lines.join('\n')}\n`;
}
