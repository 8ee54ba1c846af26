import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import * as library from '../../src/index.ts';
import { PlayError, Secret } from '../../src/index.ts';
import { checkedOptions, needed, text } from '../../src/options.ts';

/** As of a playbook, whose types nobody has looked at. */
const { absent, blockInFile, command, copy, copyTree, directory, enabled, file, firewall, hostEntries, lineInFile } =
  library as unknown as Record<string, (wish?: unknown) => unknown>;
const { link, packages, script, service, sysctl, systemUser, template, timer, unit, user, archive, group } =
  library as unknown as Record<string, (wish?: unknown) => unknown>;

function refused(make: () => unknown): PlayError {
  try {
    make();
  } catch (error) {
    if (error instanceof PlayError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

const path = '/tmp/a';
const mode = 0o644;
const content = 'x';
const name = 'a';

describe('a resource refuses', () => {
  it.each<[message: string, next: string | undefined, make: () => unknown]>([
    ['file takes an object of options, not undefined', undefined, () => file!()],
    ["file takes an object of options, not '/tmp/a'", undefined, () => file!('/tmp/a')],
    ["file has no option 'ownr'", 'Did you mean owner?', () => file!({ path, content, mode, ownr: 'x' })],
    ["file has no option 'secert'", 'Did you mean secret?', () => file!({ path, content, mode, secert: true })],
    ["link has no option 'src'", 'Its options are: path, target.', () => link!({ path, src: 'b' })],
    ["file has no option 'constructor'", undefined, () => file!({ path, content, mode, constructor: 1 })],
    ['file: content must be a text or a Secret, not 5', undefined, () => file!({ path, content: 5, mode })],
    [
      'file: content must be a text or a Secret, not undefined',
      'Look at the variable that it is made of.',
      () => file!({ path, content: undefined, mode }),
    ],
    ['file: path must be a text, not undefined', undefined, () => file!({ path: undefined, content, mode })],
    ['file: path must be a text, not a promise', undefined, () => file!({ path: Promise.resolve(), content, mode })],
    [
      "file: mode must be permission bits such as 0o644, not '0644'",
      undefined,
      () => file!({ path, content, mode: '0644' }),
    ],
    ["file: backup must be true or false, not 'yes'", undefined, () => file!({ path, content, mode, backup: 'yes' })],
    ['file: owner must be a text, not null', undefined, () => file!({ path, content, mode, owner: null })],
    [
      "template has no option 'var'",
      'Did you mean vars?',
      () => template!({ path, mode, template: 't', dirs: [], var: {} }),
    ],
    [
      'template: dirs must be a list of texts, and is not given',
      undefined,
      () => template!({ path, mode, template: 't' }),
    ],
    ['copy: source must be a text, and is not given', undefined, () => copy!({ path, mode })],
    ["copyTree has no option 'backup'", undefined, () => copyTree!({ source: '/', path, mode, backup: true })],
    ['directory: mode must be permission bits such as 0o644, and is not given', undefined, () => directory!({ path })],
    ['link: target must be a text, and is not given', undefined, () => link!({ path })],
    ['absent: recurse must be true or false, not 1', undefined, () => absent!({ path, recurse: 1 })],
    ['lineInFile: line must be a text, not 5', undefined, () => lineInFile!({ path, line: 5 })],
    ['lineInFile: line must be a text, not a Secret', undefined, () => lineInFile!({ path, line: new Secret('x') })],
    [
      "lineInFile: match must be a regular expression such as /^x/, not '^/x'",
      'Did you mean /^\\/x/?',
      () => lineInFile!({ path, line: 'x', match: '^/x' }),
    ],
    [
      "lineInFile: before must be a regular expression such as /^x/, or 'beginning', not 'begin'",
      'Did you mean /begin/?',
      () => lineInFile!({ path, line: 'x', before: 'begin' }),
    ],
    [
      "lineInFile: create has no option 'ownr'",
      'Did you mean owner?',
      () => lineInFile!({ path, line: 'x', create: { mode, ownr: 'x' } }),
    ],
    [
      'lineInFile: create.mode must be permission bits such as 0o644, and is not given',
      undefined,
      () => lineInFile!({ path, line: 'x', create: {} }),
    ],
    [
      "blockInFile: lines must be a list of texts, not 'x'",
      'Put it in brackets: [ … ].',
      () => blockInFile!({ path, name, lines: 'x' }),
    ],
    [
      'hostEntries: entries[0].names must be a list of texts, and is not given',
      undefined,
      () => hostEntries!({ name, entries: [{ address: '::1' }] }),
    ],
    [
      "hostEntries: entries[1] takes an object of options, not 'x'",
      undefined,
      () => hostEntries!({ name, entries: [{ address: '::1', names: ['a'] }, 'x'] }),
    ],
    ['archive: dest must be a text, and is not given', undefined, () => archive!({ source: '/x' })],
    ['user: password must be a Secret, not a text', undefined, () => user!({ name, password: '$6$hash' })],
    [
      "user: groups must be a list of texts, not 'wheel'",
      'Put it in brackets: [ … ].',
      () => user!({ name, groups: 'wheel' }),
    ],
    ["group: gid must be a number, not '5'", undefined, () => group!({ name, gid: '5' })],
    ['systemUser: home must be a text, and is not given', undefined, () => systemUser!({ name, comment: '' })],
    [
      "packages: names must be a list of texts, not 'nginx'",
      'Put it in brackets: [ … ].',
      () => packages!({ names: 'nginx' }),
    ],
    ["packages has no option 'name'", 'Did you mean names?', () => packages!({ name: 'nginx' })],
    [
      "service: state must be one of 'started', 'stopped', 'restarted', 'reloaded', not 'running'",
      undefined,
      () => service!({ name, state: 'running' }),
    ],
    [
      "service: state must be one of 'started', 'stopped', 'restarted', 'reloaded', not 'stoped'",
      "Did you mean 'stopped'?",
      () => service!({ name, state: 'stoped' }),
    ],
    ["service: enabled must be true or false, not 'yes'", undefined, () => service!({ name, enabled: 'yes' })],
    ["unit has no option 'contents'", 'Did you mean content?', () => unit!({ name, contents: '' })],
    ['enabled: name must be a text, not undefined', undefined, () => enabled!()],
    [
      'timer: onCalendar must be a text or a list of texts, not 5',
      undefined,
      () => timer!({ name, description: '', onCalendar: 5, command: ['/x'] }),
    ],
    [
      "sysctl: values['vm.swappiness'] must be a text or a number, not true",
      undefined,
      () => sysctl!({ name, values: { 'vm.swappiness': true } }),
    ],
    ['firewall: ports[1] must be a text, not 2379', undefined, () => firewall!({ ports: ['80/tcp', 2379] })],
    ["command: argv must be a list of texts, not 'ls -l'", undefined, () => command!({ argv: 'ls -l' })],
    ["command: env['PORT'] must be a text, not 80", undefined, () => command!({ argv: ['x'], env: { PORT: 80 } })],
    [
      "command: inCheck must be one of 'changes', 'unknown', not 'change'",
      "Did you mean 'changes'?",
      () => command!({ argv: ['x'], inCheck: 'change' }),
    ],
    ["script: timeoutMs must be a number, not '5s'", undefined, () => script!({ text: 'x', timeoutMs: '5s' })],
  ])('%s', (message, next, make) => {
    const error = refused(make);
    expect(error.message).toBe(message);
    if (next !== undefined) expect(error.next).toBe(next);
  });
});

describe('what is refused', () => {
  it('is told with the line that asks for it, wherever it is asked for', () => {
    const error = refused(() => file!({ path, content, mode, ownr: 'told with its line' }));
    expect(error).toMatchObject({ file: fileURLToPath(import.meta.url) });
    expect(error.code).toContain('told with its line');
    expect(readFileSync(error.file!, 'utf8').split('\n')[error.line! - 1]).toBe(error.code);
  });

  it('is shortened where it is long, and never a list in full', () => {
    const { message } = refused(() => service!({ name, state: 'x'.repeat(1000) }));
    expect(message).toMatch(/, not a text$/);
  });
});

describe('an option that is not given', () => {
  it('may be there as undefined, known or not', () => {
    const wish = { path, owner: undefined, other: undefined };
    const options = { path: needed(text), owner: text };
    expect(checkedOptions('thing', wish as object, options as object)).toBe(wish);
  });
});
