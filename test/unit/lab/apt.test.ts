import { describe, expect, test } from 'vitest';
import { chooseMirror, parseDeb822Sources, parseOneLineSources } from '../../lab/apt.ts';

describe("the machine's mirror is read from its apt sources", () => {
  test('in the one-line form, with and without options', () => {
    const text = [
      '# deb http://old.example/debian bookworm main',
      'deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian bookworm main contrib # ours',
      'deb-src http://one.example/debian bookworm main',
      'deb http://two.example/sec bookworm-security main',
    ].join('\n');
    expect(parseOneLineSources(text)).toEqual([
      { uri: 'http://one.example/debian', suite: 'bookworm', components: ['main', 'contrib'] },
      { uri: 'http://two.example/sec', suite: 'bookworm-security', components: ['main'] },
    ]);
  });

  test('in the deb822 form, with comments inside a stanza, folded lines and a stanza turned off', () => {
    const text = [
      'Types: deb deb-src',
      '# a comment',
      'URIs: http://one.example/debian',
      'Suites: trixie',
      ' trixie-updates',
      'Components: main',
      '',
      'Types: deb',
      'Enabled: no',
      'URIs: http://off.example/debian',
      'Suites: trixie',
      'Components: main',
    ].join('\n');
    expect(parseDeb822Sources(text)).toEqual([
      { uri: 'http://one.example/debian', suite: 'trixie', components: ['main'] },
      { uri: 'http://one.example/debian', suite: 'trixie-updates', components: ['main'] },
    ]);
  });

  test('it is the first that serves a release itself, not its updates and not other software', () => {
    expect(
      chooseMirror([
        { uri: 'http://tools.example', suite: 'nodistro', components: ['main'] },
        { uri: 'http://sec.example', suite: 'bookworm-security', components: ['main'] },
        { uri: 'http://extra.example', suite: 'bookworm', components: ['contrib'] },
        { uri: 'http://deb.example', suite: 'bookworm', components: ['main'] },
      ]),
    ).toBe('http://deb.example');
    expect(chooseMirror([])).toBeUndefined();
  });
});
