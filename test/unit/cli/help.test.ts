import { expect, it } from 'vitest';
import { playbookHelp } from '../../../src/cli/help.ts';
import { playbook } from '../../../src/runner/playbook.ts';
import { variable } from '../../../src/variables/declaration.ts';

it('help shows words of Markdown as words, and values as they are', () => {
  const site = playbook({
    name: 'site',
    description: 'a site',
    hosts: 'all',
    variables: {
      title: variable.text('The `title`.', { default: 'x $(id) `y` "q"', example: '`z`' }),
      kind: variable.oneOf(['a', 'b'], 'Which.', { otherwise: 'as `title` says' }),
    },
    plays: () => [],
  });
  const help = playbookHelp(site, 'site', 110);
  expect(help).toContain('The title. [text; default: x $(id) `y` "q"; such as `z`]');
  expect(help).toContain('Which. [a, b; default: as title says]');
});
