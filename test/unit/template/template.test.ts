import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeError, InputError } from '../../../src/errors.ts';
import { Secret } from '../../../src/secret.ts';
import { packageTemplates, renderTemplate } from '../../../src/template/template.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'template-'));
  for (const name of ['own', 'package']) mkdirSync(join(dir, name));
});
afterEach(() => rmSync(dir, { recursive: true }));

const write = (text: string, where = 'own') => writeFileSync(join(dir, where, 't.hbs'), text);
const render = (context: object) => renderTemplate('t.hbs', context, [join(dir, 'own'), join(dir, 'package')]);

function failure(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return describeError(error).replaceAll(`${dir}/`, '');
  }
  throw new Error('it did not fail');
}

describe('a template', () => {
  it('is filled in, and nothing is escaped', () => {
    write('{{a}} {{b.c}}{{#each list}}, {{this}}{{/each}}\n');
    expect(render({ a: '<&">', b: { c: 1 }, list: ['x', 'y'] })).toBe('<&"> 1, x, y\n');
  });

  it("is the user's own rather than the package's", () => {
    write('package', 'package');
    expect(render({})).toBe('package');
    write('own');
    expect(render({})).toBe('own');
  });

  it('is read anew when it has changed', () => {
    write('one');
    expect(render({})).toBe('one');
    write('two');
    expect(render({})).toBe('two');
  });

  it.each([
    ['{{a}}', { a: new Secret('hunter2') }],
    ['{{a.b}}', { a: { b: new Secret('hunter2') } }],
    ['{{#each a}}{{this}}{{/each}}', { a: ['x', new Secret('hunter2')] }],
  ])('%s does not take a secret, which it would write as ***', (text, context) => {
    write(text);
    expect(failure(() => render(context))).toMatch(/^the template takes a secret as text\n {2}→ Use the resource/);
    write('{{#if a}}there{{/if}}');
    expect(render(context)).toBe('there');
  });

  it.each([
    ['{{a}}\n{{greeting}}\n', 'own/t.hbs:2: the template names greeting, which is not set'],
    ['{{b.c}}', 'own/t.hbs:1: the template names c, which is not set'],
    ['{{#if a}}x{{/if}}\n{{#if none}}x{{/if}}', 'own/t.hbs:2: the template asks #if for a name that is not set'],
    ['{{#each b.list}}x{{/each}}', 'own/t.hbs:1: the template asks #each for a name that is not set'],
    ['{{nosuch a}}', 'own/t.hbs:1: the template names nosuch, which is not set'],
  ])('%j is refused for a name that is not there', (text, expected) => {
    write(text);
    expect(failure(() => render({ a: 1, b: {} }))).toContain(expected);
  });

  it.each([
    ['a\n{{#if a}}\n', 'own/t.hbs:3: the template cannot be rendered: Parse error'],
    ['{{#nosuch a}}{{/nosuch}}', 'own/t.hbs:1: the template'],
  ])('%j is refused for its grammar', (text, expected) => {
    write(text);
    expect(failure(() => render({ a: 1 }))).toContain(expected);
  });

  it('that is nowhere is refused with the places looked at', () => {
    expect(failure(() => render({}))).toBe('there is no template t.hbs in own, package');
  });
});

describe("the package's templates", () => {
  it('are found', () => {
    expect(
      renderTemplate('etcd.conf.hbs', { name: 'a', version: '3.5.30', sections: [] }, [packageTemplates()]),
    ).toMatch(/^# a: etcd 3\.5\.30/);
  });
});
