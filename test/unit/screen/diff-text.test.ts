import { describe, expect, it } from 'vitest';
import { diffText } from '../../../src/screen/diff-text.ts';
import { plain } from '../../../src/screen/words.ts';

const shown = (before: string, after: string) => diffText({ path: '/etc/etcd/etcd.conf', before, after }, plain);

describe('a diff as it is shown', () => {
  it('of a changed file begins with its two names and holds the changed lines', () => {
    expect(shown('A=1\nB=2\n', 'A=1\nB=3\n')).toBe(
      '--- /etc/etcd/etcd.conf\n+++ /etc/etcd/etcd.conf\n@@ -1,2 +1,2 @@\n A=1\n-B=2\n+B=3',
    );
  });

  it('of a new file has nothing before it', () => {
    expect(shown('', 'A=1\n')).toBe('--- /dev/null\n+++ /etc/etcd/etcd.conf\n@@ -0,0 +1,1 @@\n+A=1');
  });
});
