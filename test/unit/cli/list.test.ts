import { describe, expect, it } from 'vitest';
import { besideName } from '../../../src/cli/list.ts';

describe('a playbook in the list', () => {
  it.each<[string, number | undefined, string]>([
    ['is one line in a pipe', undefined, 'web   a page on each host of the group'],
    ['is one line in a wide window', 80, 'web   a page on each host of the group'],
    ['goes on under itself in a narrow one', 32, 'web   a page on each host of the\n      group'],
    ['stands below its name where there is hardly room', 26, 'web\n    a page on each host of\n    the group'],
  ])('%s', (_, columns, wanted) => {
    expect(besideName('web', 'a page on each host of the group', 6, columns)).toBe(wanted);
  });
});
