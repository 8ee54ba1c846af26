import { describe, expect, it } from 'vitest';
import { diffPackages, packages, parsePackages } from '../../../src/resource/packages.ts';
import { found, onThisMachine } from './on-this-machine.ts';

const { look } = onThisMachine();
/** As dpkg-query and rpm print them in the formats that are asked for. */
const APT = `apt
nginx nginx:amd64 1.22.1-9+deb12u2 httpd, httpd-cgi, nginx-abi-1.22.1 (= 1.2)
mawk mawk:amd64 1.3.4.20200120-3.1 awk
libc6 libc6:amd64 2.36-9
libc6 libc6:i386 2.36-9
`;
const DNF = `dnf
nginx nginx.x86_64 1.20.1 1.20.1-14.el9 2:1.20.1-14.el9 nginx nginx(x86-64) webserver
bash bash.x86_64 5.1.8 5.1.8-6.el9 0:5.1.8-6.el9 /bin/sh bash
`;
const due = (text: string, names: string[], present = true) =>
  packages({ names, present }).compare(found({}, {}, text))?.summary;

describe('the difference of packages', () => {
  it.each<[string, string, string[], boolean, string | undefined]>([
    ['is nothing where they are there', APT, ['nginx', 'mawk'], true, undefined],
    ['is those that are not', APT, ['nginx', 'curl', 'jq'], true, 'installed: curl, jq'],
    ['is not told by a part of a name', APT, ['nginx-abi', 'ngin'], true, 'installed: nginx-abi, ngin'],
    ['is nothing where another provides it', APT, ['awk', 'httpd-cgi'], true, undefined],
    ['is nothing for a name with its architecture', APT, ['libc6:i386'], true, undefined],
    ['is another architecture', APT, ['nginx:i386'], true, 'installed: nginx:i386'],
    ['is nothing where the version is the wanted one', APT, ['nginx=1.22.1-9+deb12u2'], true, undefined],
    ['is another version', APT, ['nginx=1.24-1'], true, 'installed: nginx 1.22.1-9+deb12u2 → 1.24-1'],
    ['is a version where none is there', APT, ['jq=1.6'], true, 'installed: jq 1.6'],
    ['is those that are there, where none is to be', APT, ['nginx', 'curl'], false, 'removed: nginx'],
    ['is nothing to remove where another provides it', APT, ['awk'], false, undefined],
    ['is nothing where rpm has them', DNF, ['nginx', 'nginx.x86_64', 'webserver'], true, undefined],
    [
      'is nothing for a version of rpm with or without its release',
      DNF,
      ['nginx=1.20.1', 'nginx=1.20.1-14.el9'],
      true,
      undefined,
    ],
    ['is another version of rpm', DNF, ['bash=5.2'], true, 'installed: bash 0:5.1.8-6.el9 → 5.2'],
    ['is those that rpm has, where none is to be', DNF, ['bash', 'zsh'], false, 'removed: bash'],
    ['is nothing where no package is installed, nor to be', 'dnf', ['zsh'], false, undefined],
  ])('%s', (_, text, names, present, summary) => {
    expect(due(text, names, present)).toBe(summary);
  });

  it('cannot be told where there is no package manager', () => {
    expect(() => due('', ['curl'])).toThrow('the host has neither apt nor dnf');
  });

  it('is closed in one call', () => {
    const asked = [{ name: 'a', version: '1:2~3' }, { name: 'b+c' }];
    const apply = (text: string, present: boolean) => diffPackages(parsePackages(text), asked, present)?.apply ?? '';
    expect(apply('apt', true)).toMatch(/install --no-install-recommends -- 'a=1:2~3' b\+c$/);
    expect(apply('dnf', true)).toMatch(/^dnf -q -y .* install .* -- 'a-1:2~3' b\+c$/);
  });

  it('is found on this machine', async () => {
    expect(await look(packages({ names: ['bash', 'dpkg', 'awk'] }))).toBeUndefined();
    expect((await look(packages({ names: ['no-such-package'] })))?.summary).toBe('installed: no-such-package');
  });

  it.each([
    [[], true, 'no package is named'],
    [[''], true, "no package is called ''"],
    [['-y'], true, "no package is called '-y'"],
    [['nginx*'], true, "no package is called 'nginx*'"],
    [['./x.deb'], true, 'no package is called'],
    [['a b'], true, 'no package is called'],
    [['curl-'], true, "no package is called 'curl-'"],
    [['nginx='], true, 'no package is called'],
    [['nginx=1 2'], true, 'no package is called'],
    [['nginx=1'], false, 'no package is called'],
  ])('is refused for %j (present: %s)', (names, present, words) => {
    expect(() => packages({ names, present })).toThrow(words);
  });
});
