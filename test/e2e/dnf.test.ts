import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { givePackages } from '../lab/host-packages.ts';
import { type Lab, openLab } from '../lab/lab.ts';
import { runPlay } from './play.ts';

let lab: Lab;
let folder: string;

const PLAYBOOK = `
import { packages, playbook, play, task } from 'etcd-play';
export default playbook({
  name: 'some', description: 'packages', hosts: 'etcd',
  plays: () => [play('Some', { tasks: [
    task('Packages', () => packages({ names: process.env.NAMES.split(' '), present: process.env.GONE === undefined })),
  ] })],
});
`;

/** Packages of one file each, in two versions, which rpmbuild makes on the host, and a repository of them. */
const REPOSITORY = `
set -e
mkdir -p /srv/rpms /etc/yum.repos.d /etc/dnf/vars; cd /srv/rpms
for version in 1 2; do
  printf '%s\\n' 'Name: lab-tiny' "Version: $version" 'Release: 1' 'Summary: for tests' 'License: none' 'BuildArch: noarch' \\
    'Provides: lab-virtual' '%description' 'for tests' '%install' 'mkdir -p %{buildroot}/etc' \\
    "echo $version >%{buildroot}/etc/lab-tiny" '%files' '%config(noreplace) /etc/lab-tiny' >/root/tiny.spec
  rpmbuild -bb --quiet --define '_rpmdir /srv/rpms' /root/tiny.spec 2>/dev/null
done
createrepo_c -q .
printf '[tiny]\\nname=tiny\\nbaseurl=file:///srv/rpms\\ngpgcheck=0\\n' >/etc/yum.repos.d/tiny.repo
echo 12 >/etc/dnf/vars/releasever
# From here on the host is one that knows dnf alone.
mv /usr/bin/apt-get /usr/bin/apt-get.away
`;

beforeAll(async () => {
  lab = await openLab({ name: 'dnf', hosts: 1, fresh: true });
  folder = mkdtempSync(join(tmpdir(), 'dnf-'));
  mkdirSync(join(folder, 'playbooks'));
  writeFileSync(join(folder, 'playbooks', 'some.ts'), PLAYBOOK);
  await givePackages(lab, 'h1', ['dnf', 'createrepo-c', 'rpm']);
  const apt = 'DEBIAN_FRONTEND=noninteractive apt-get -q -o Dir::Etc::sourcelist=/dev/null';
  const install = `${apt} update && ${apt} -y install --no-install-recommends dnf createrepo-c rpm`;
  for (const line of [install, REPOSITORY]) {
    const { code, stdout, stderr } = await lab.exec('h1', line, { timeoutMs: 300_000 });
    expect(code, stdout + stderr).toBe(0);
  }
});
afterAll(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true });
  await lab?.down();
});

const some = (names: string, more: readonly string[] = [], env: NodeJS.ProcessEnv = {}) =>
  runPlay(['some', '-i', lab.inventoryFile, '--output', 'lines', ...more], {
    cwd: folder,
    env: { NAMES: names, ...env },
  });
const installed = async () => (await lab.exec('h1', 'rpm -q lab-tiny; cat /etc/lab-tiny')).stdout;

describe('packages on a host with dnf', () => {
  it('are told of in check mode, and not installed', async () => {
    const { code, text } = await some('lab-tiny=1', ['-C']);
    expect(code, text).toBe(0);
    expect(text).toContain('would change: [h1] Packages (lab-tiny=1: installed: lab-tiny 1)');
    expect(await installed()).toContain('not installed');
  });

  it('are installed in the version that is asked for, and there is nothing to do the second time', async () => {
    expect((await some('lab-tiny=1')).text).toContain('changed: [h1] Packages (lab-tiny=1: installed: lab-tiny 1)');
    expect(await installed()).toBe('lab-tiny-1-1.noarch\n1\n');
    for (const names of ['lab-tiny=1', 'lab-tiny', 'lab-virtual', 'lab-tiny=1-1']) {
      const { code, text } = await some(names);
      expect(code, text).toBe(0);
      expect(text, names).toContain('ok: [h1] Packages');
    }
  });

  it('change to another version; a configuration that was edited stays', async () => {
    await lab.exec('h1', 'echo own >/etc/lab-tiny');
    expect((await some('lab-tiny=2')).text).toMatch(/changed: \[h1\] Packages \(.*installed: lab-tiny \S+ → 2\)/);
    expect(await installed()).toBe('lab-tiny-2-1.noarch\nown\n');
  });

  it('that no repository has are named', async () => {
    const { code, text } = await some('lab-nowhere');
    expect(code, text).toBe(2);
    expect(text).toContain('lab-nowhere');
    expect(text).toMatch(/h1: \[Packages\]/);
  });

  it('are removed, and there is nothing to remove the second time', async () => {
    expect((await some('lab-tiny', [], { GONE: '1' })).text).toContain(
      'changed: [h1] Packages (lab-tiny: removed: lab-tiny)',
    );
    expect(await installed()).toContain('not installed');
    expect((await some('lab-tiny', [], { GONE: '1' })).text).toContain('ok: [h1] Packages');
  });
});
