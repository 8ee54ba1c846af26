import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pagePath, variablesPage } from '../../../scripts/variables-doc.ts';

describe('docs/variables.md', () => {
  it('is what the declarations say (npx jiti scripts/variables-doc.ts writes it)', () => {
    expect(readFileSync(pagePath, 'utf8')).toBe(variablesPage());
  });
});
