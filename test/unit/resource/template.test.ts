import { mkdirSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { template } from '../../../src/resource/template.ts';
import { Secret } from '../../../src/secret.ts';
import { found, onThisMachine } from './on-this-machine.ts';

const { at } = onThisMachine();
beforeAll(() => {
  mkdirSync(at('mine'));
  mkdirSync(at('theirs'));
  writeFileSync(at('mine/a.hbs'), 'mine {{name}}{{#if key}} {{key}}{{/if}}\n');
  writeFileSync(at('theirs/a.hbs'), 'theirs\n');
  writeFileSync(at('theirs/b.hbs'), '{{db.user}}:{{db.password}} {{#each list}}{{this}},{{/each}}\n');
});
const made = (name: string, vars: object, rest = {}) =>
  template({ template: name, dirs: [at('mine'), at('theirs')], vars, path: '/etc/x', mode: 0o644, ...rest }).compare(
    found({}),
  );

describe('a file from a template', () => {
  it('is made by the first template of that name', () => {
    expect(made('a.hbs', { name: 'web', key: false })?.diff).toEqual({ path: '/etc/x', after: 'mine web\n' });
  });

  it('takes the variables of a host as a task gets them', () => {
    const vars = new Map([
      ['name', { value: 'h1' }],
      ['key', { value: '' }],
    ]);
    expect(made('a.hbs', vars)?.diff?.after).toBe('mine h1\n');
  });

  it('holds a secret as itself, wherever it stood, and is a secret then', () => {
    const db = { user: 'u', password: new Secret('correct horse') };
    const change = made('b.hbs', { db, list: [new Secret('battery staple')] });
    expect(change?.apply).toContain('u:correct horse battery staple,');
    expect(change?.diff).toBeUndefined();
  });

  it('is no secret where the secret did not come into it', () => {
    expect(made('a.hbs', { name: 'web', key: '', other: new Secret('correct horse') })?.diff).toBeDefined();
    expect(made('a.hbs', { name: 'web', key: '' }, { secret: true })?.diff).toBeUndefined();
  });

  it.each([
    ['c.hbs', {}, 'there is no template c.hbs in'],
    ['a.hbs', { name: 'web' }, 'a name that is not set'],
    ['b.hbs', { db: {}, list: [] }, 'which is not set'],
  ])('is refused for %s with %j', (name, vars, words) => {
    expect(() => made(name, vars)).toThrow(words);
  });
});
