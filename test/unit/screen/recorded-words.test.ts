import { describe, expect, it } from 'vitest';
import { recordedWords } from '../../../src/screen/recorded-words.ts';
import { variable } from '../../../src/variables/declaration.ts';

const playbook = {
  variables: {
    app_pin: variable.secret('A PIN.', { aliases: ['PIN'] }),
    app_name: variable.text('A name.', { aliases: ['NAME'] }),
  },
  alsoReads: [{ ...variable.text('A version.'), name: 'ETCD_VERSION' }],
};

/** The words, what was read behind `-e`, and what is kept. */
const cases: [string, string[], string[], string[]][] = [
  ['a declared secret', ['p', '-e', 'app_pin=1234'], ['app_pin=1234'], ['p', '-e', 'app_pin=***']],
  ['its other name', ['-e', 'PIN=1234'], ['PIN=1234'], ['-e', 'PIN=***']],
  ['the long option', ['--extra-vars=app_pin=1234'], ['app_pin=1234'], ['--extra-vars=app_pin=***']],
  ['quotes that reach us', ['-e', "'app_pin=1 2'"], ['app_pin=1 2'], ['-e', "'app_pin=*** ***'"]],
  ['JSON', ['-e', '{"app_pin":"1234"}'], ['{"app_pin":"1234"}'], ['-e', '***']],
  ['an unknown variable', ['-e', 'other=1234'], ['other=1234'], ['-e', 'other=***']],
  ['several', ['-e', 'app_name="a b" app_pin=1'], ['app_name="a b" app_pin=1'], ['-e', 'app_name=a b app_pin=***']],
  ['what cannot be split', ['-e', 'app_pin="1'], ['app_pin="1'], ['-e', '***']],
  ['a file', ['-e', '@secrets.yml'], ['@secrets.yml'], ['-e', '@secrets.yml']],
  ['a declared name', ['-e', 'NAME=web'], ['NAME=web'], ['-e', 'NAME=web']],
  [
    'what another playbook declares',
    ['-e', 'ETCD_VERSION=3.5.30'],
    ['ETCD_VERSION=3.5.30'],
    ['-e', 'ETCD_VERSION=3.5.30'],
  ],
  ["Ansible's own", ['-e', 'ansible_user=jo'], ['ansible_user=jo'], ['-e', 'ansible_user=jo']],
  ['two, one within the other', ['-e', 'x=1', '-e', 'x=12'], ['x=1', 'x=12'], ['-e', 'x=***', '-e', 'x=***']],
];

describe('the words of a command line that are kept', () => {
  it.each(cases)('%s', (_, words, extraVars, kept) => {
    expect(recordedWords(words, extraVars, playbook)).toEqual(kept);
  });

  it('hold no value where no playbook says what is no secret', () => {
    expect(recordedWords(['-e', 'app_name=web'], ['app_name=web'])).toEqual(['-e', 'app_name=***']);
  });
});
