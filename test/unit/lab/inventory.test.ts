import { expect, test } from 'vitest';
import { renderInventory } from '../../lab/inventory.ts';
import type { LabRecord } from '../../lab/state.ts';

const lab: LabRecord = {
  name: 'demo',
  subnet: 7,
  inventories: [],
  hosts: [
    { name: 'h1', address: '10.0.7.11', suite: 'bookworm', root: '/roots/a' },
    { name: 'h2', address: '10.0.7.12', suite: 'trixie', root: '/roots/b' },
  ],
};

test('an inventory lists the hosts by name, with their addresses and one way in for the group', () => {
  const text = renderInventory(lab);
  expect(text).toContain(
    '[etcd]\nh1 ansible_host=10.0.7.11\nh2 ansible_host=10.0.7.12\n\n[etcd:vars]\nansible_user=root\n',
  );
  expect(text).toMatch(
    /^ansible_ssh_common_args=-o UserKnownHostsFile=\S+\/demo\/known_hosts -o StrictHostKeyChecking=yes$/m,
  );
});

test('hosts, group, user and variables can be chosen, and a variable wins over what the lab sets', () => {
  const vars = { ETCD_VERSION: '3.5.16', ansible_python_interpreter: 'auto' };
  const text = renderInventory(lab, { hosts: ['h2'], group: 'web', user: 'plain', vars });
  expect(text).not.toContain('h1');
  expect(text).toContain('[web]\nh2 ');
  expect(text).toContain('ansible_user=plain\n');
  expect(text).toContain('ETCD_VERSION=3.5.16\n');
  expect(text.match(/^ansible_python_interpreter=.*$/gm)).toEqual(['ansible_python_interpreter=auto']);
});

test('a host the lab does not have is refused', () => {
  expect(() => renderInventory(lab, { hosts: ['h9'] })).toThrow(/no host h9/);
});
