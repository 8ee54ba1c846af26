import { describe, expect, it } from 'vitest';
import { diffSystemUser, systemUser } from '../../../src/resource/account.ts';
import { found, onThisMachine } from './on-this-machine.ts';

const { look } = onThisMachine();
const wish = { name: 'etcd', home: '/var/lib/etcd', comment: 'etcd' };

describe('the difference of a system user', () => {
  it.each([
    ['is nothing where the user is there', { user: true, group: true }, undefined],
    ['is nothing where the user is there with another group', { user: true, group: false }, undefined],
    ['is the user where the group is there already', { user: false, group: true }, 'new system user'],
    ['is both where neither is there', { user: false, group: false }, 'new system user and group'],
  ])('%s', (_, actual, summary) => {
    expect(diffSystemUser(actual, wish)?.summary).toBe(summary);
  });

  it('adds the group only where there is none, and lets nobody log in', () => {
    expect(diffSystemUser({ user: false, group: true }, wish)?.apply).not.toContain('groupadd');
    expect(diffSystemUser({ user: false, group: false }, wish)?.apply).toMatch(
      /^groupadd --system etcd\n(.*\n)*.*nologin/,
    );
  });

  it('quotes what it is given', () => {
    const { apply } = diffSystemUser({ user: false, group: false }, { ...wish, comment: "it's $HOME" })!;
    expect(apply).toContain(`--comment 'it'\\''s $HOME'`);
  });
});

describe('a system user on a host', () => {
  it('that is there is left as it is', async () => {
    expect(await look(systemUser({ ...wish, name: 'daemon' }))).toBeUndefined();
  });

  it('that is not there is to be made', async () => {
    expect((await look(systemUser({ ...wish, name: 'no-such-user' })))?.summary).toBe('new system user and group');
  });

  it('is not told by a part of its name', () => {
    expect(systemUser(wish).compare(found({}, {}, 'users\ngroups\n'))?.summary).toBe('new system user and group');
  });
});
