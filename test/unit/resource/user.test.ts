import { describe, expect, it } from 'vitest';
import { diffGroup, group, parseGroup } from '../../../src/resource/group.ts';
import { diffUser, parseUser, type UserState, type UserWish, user } from '../../../src/resource/user.ts';
import { Secret } from '../../../src/secret.ts';
import { found, onThisMachine } from './on-this-machine.ts';

const { look } = onThisMachine();
const there: UserState = {
  uid: 1001,
  group: 'web',
  groups: ['adm', 'ssl'],
  comment: 'Web',
  home: '/home/web',
  shell: '/bin/bash',
  hasPassword: false,
};
const password = new Secret('$6$salt$hashofsomething');
const usermod = (words: string) => `usermod ${words} -- web`;

describe('the difference of a user', () => {
  it.each<[string, Partial<UserWish>, string | undefined, string | undefined]>([
    ['is nothing where nothing more is wanted', {}, undefined, undefined],
    [
      'is nothing where all is as wanted',
      { uid: 1001, group: 'web', groups: ['adm'], shell: '/bin/bash' },
      undefined,
      undefined,
    ],
    ['is the shell', { shell: '/bin/sh' }, 'shell /bin/bash → /bin/sh', usermod('--shell /bin/sh')],
    ['is the number', { uid: 5 }, 'uid 1001 → 5', usermod('--uid 5')],
    [
      'is home and comment',
      { home: '/x', comment: "it's" },
      "home /home/web → /x, comment Web → it's",
      usermod(`--home /x --comment 'it'\\''s'`),
    ],
    ['is the primary group', { group: 'adm' }, 'group web → adm', usermod('--gid adm')],
    ['is a group more', { groups: ['adm', 'sudo'] }, 'in sudo', usermod('--append --groups sudo')],
    [
      'is a group less, where no others are wanted',
      { groups: ['adm'], onlyGroups: true },
      'not in ssl',
      usermod('--groups adm'),
    ],
    ['is no group at all', { groups: [], onlyGroups: true }, 'not in adm, ssl', usermod("--groups ''")],
    ['takes the primary group for one of the groups', { groups: ['web'] }, undefined, undefined],
    ['is the password', { password }, 'password', `printf '%s\\n' 'web:$6$salt$hashofsomething' | chpasswd -e`],
    ['is not the password of a user that may keep it', { password, keepPassword: true }, undefined, undefined],
    ['is all of the user', { present: false }, 'no user', 'userdel -- web'],
  ])('%s', (_, wish, summary, apply) => {
    const change = diffUser(there, { name: 'web', ...wish });
    expect([change?.summary, change?.apply]).toEqual([summary, apply]);
  });

  it('is nothing where one is not there, nor to be', () => {
    expect(diffUser(undefined, { name: 'web', present: false })).toBeUndefined();
  });

  it('is nothing where the password is the wanted one', () => {
    expect(diffUser({ ...there, hasPassword: true }, { name: 'web', password })).toBeUndefined();
  });

  it('is a new user with all that is wanted, the password given to no program as an argument', () => {
    const wish = { name: 'web', uid: 5, group: 'web', groups: ['a', 'b'], shell: '/bin/sh', home: '/x', password };
    expect(diffUser(undefined, wish)).toEqual({
      summary: 'new user',
      apply: `useradd --create-home --uid 5 --gid web --groups a,b --shell /bin/sh --home-dir /x -- web\nprintf '%s\\n' 'web:$6$salt$hashofsomething' | chpasswd -e`,
    });
    expect(diffUser(undefined, { name: 'd', system: true })?.apply).toMatch(/^useradd --system --no-create-home \$\(/);
  });

  it('never shows a password', () => {
    const change = diffUser(there, { name: 'web', password });
    expect(JSON.stringify(change?.summary)).not.toContain('hashof');
    expect(change?.diff).toBeUndefined();
  });

  it.each([
    ['web:x:1001:1001:Web:/home/web:/bin/bash\nweb\nweb adm ssl\n', there],
    [
      'web:x:1001:1001:Web:/home/web:/bin/bash\nweb\nweb adm ssl\npassword as wanted\n',
      { ...there, hasPassword: true },
    ],
    ['', undefined],
    ['webber:x:1:1::/:/bin/sh\nwebber\nwebber\n', undefined],
  ])('is told from %j', (text, state) => {
    expect(parseUser(text, 'web')).toEqual(state);
  });

  it('is found on this machine', async () => {
    expect(await look(user({ name: 'daemon', group: 'daemon' }))).toBeUndefined();
    expect((await look(user({ name: 'daemon', password })))?.summary).toBe('password');
    expect((await look(user({ name: 'no-such-user' })))?.summary).toBe('new user');
  });

  it.each<[Partial<UserWish>, string]>([
    [{ name: '1000' }, "a user cannot be called '1000'"],
    [{ name: '-r' }, 'cannot be called'],
    [{ name: 'a:b' }, 'cannot be called'],
    [{ name: 'a\nb' }, 'cannot be called'],
    [{ group: '' }, "a group cannot be called ''"],
    [{ groups: ['a,b'] }, "a group cannot be called 'a,b'"],
    [{ uid: -1 }, '-1 is no uid'],
    [{ uid: 1.5 }, '1.5 is no uid'],
    [{ home: 'x' }, 'wants an absolute path'],
    [{ shell: '/a:b' }, "cannot have the path '/a:b'"],
    [{ comment: 'a:b' }, 'holds no colon'],
    [{ password: new Secret('hunter2hunter2') }, 'what is given as the password of web is not the hash of one'],
    [{ password: new Secret('$6$a$b:c') }, 'is not the hash'],
    [{ password: new Secret('$6$a$b\nroot:x') }, 'is not the hash'],
  ])('is refused for %j', (wrong, words) => {
    expect(() => user({ name: 'web', ...wrong })).toThrow(words);
  });
});

describe('the difference of a group', () => {
  it.each([
    ['is nothing where it is there', { gid: 5 }, {}, undefined],
    ['is nothing where its number is the wanted one', { gid: 5 }, { gid: 5 }, undefined],
    ['is its number', { gid: 5 }, { gid: 6 }, 'groupmod --gid 6 -- web'],
    ['is a new group', undefined, {}, 'groupadd -- web'],
    ['is a new group with a number', undefined, { gid: 6, system: true }, 'groupadd --system --gid 6 -- web'],
    ['is that it goes', { gid: 5 }, { present: false }, 'groupdel -- web'],
    ['is nothing where it is not there, nor to be', undefined, { present: false }, undefined],
  ])('%s', (_, actual, wish, apply) => {
    expect(diffGroup(actual, { name: 'web', ...wish })?.apply).toBe(apply);
  });

  it('is told from a line of getent', () => {
    expect(parseGroup('web:x:33:\n', 'web')).toEqual({ gid: 33 });
    expect(parseGroup('webber:x:33:\n', 'web')).toBeUndefined();
    expect(group({ name: 'web' }).compare(found({}))?.summary).toBe('new group');
  });

  it.each([
    [{ name: '' }, "a group cannot be called ''"],
    [{ gid: -2 }, '-2 is no gid'],
  ])('is refused for %j', (wrong, words) => {
    expect(() => group({ name: 'web', ...wrong })).toThrow(words);
  });
});
