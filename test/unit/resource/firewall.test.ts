import { describe, expect, it } from 'vitest';
import { diffFirewall, firewall, parseFirewall } from '../../../src/resource/firewall.ts';
import { network } from '../../../src/resource/network.ts';
import { found } from './on-this-machine.ts';

/** As real ones print them. */
const UFW = [
  'ufw',
  "Added user rules (see 'ufw status' for running firewall):",
  'ufw allow 22/tcp',
  "ufw allow 2379/tcp comment 'etcd'",
  'ufw allow 8000:8100/tcp',
  'ufw allow from 10.0.0.0/8 to any port 2380 proto tcp',
  'ufw allow from fd00::/8 to any port 2380 proto tcp',
  'ufw deny 25/tcp',
  'ufw limit 26/tcp',
].join('\n');
const FIREWALLD = [
  'firewalld',
  'public (active)',
  '  target: default',
  '  services: dhcpv6-client ssh',
  '  ports: 2379/tcp 8000-8100/tcp 9000/tcp',
  '  source-ports: 1/tcp',
  '  rich rules: ',
  '\trule family="ipv4" source address="10.0.0.0/8" port port="2380" protocol="tcp" accept',
  '\trule family="ipv4" source address="10.0.0.0/8" port port="2390" protocol="tcp" drop',
  'list --permanent',
  'public',
  '  ports: 2379/tcp 8000-8100/tcp',
  '  rich rules: ',
  '\trule family="ipv4" source address="10.0.0.0/8" port port="2380" protocol="tcp" accept',
].join('\n');

const due = (text: string, ports: string[], from?: string[]) =>
  firewall({ ports, ...(from ? { from } : {}) }).compare(found({}, {}, text))?.summary;

describe('the difference of a firewall', () => {
  it.each<[string, string, string[], string[] | undefined, string | undefined]>([
    ['is nothing where ufw lets a port through', UFW, ['22/tcp', '2379/tcp'], undefined, undefined],
    ['is nothing for a port in a range', UFW, ['8050/tcp', '8000-8100/tcp'], undefined, undefined],
    ['is a range that is wider', UFW, ['8000-8101/tcp'], undefined, 'ufw opens 8000-8101/tcp'],
    ['is the other protocol', UFW, ['22/udp'], undefined, 'ufw opens 22/udp'],
    ['is a port that is denied or limited', UFW, ['25/tcp', '26/tcp'], undefined, 'ufw opens 25/tcp, 26/tcp'],
    ['is nothing for networks that ufw lets through', UFW, ['2380/tcp'], ['10.0.0.0/8', 'FD00:0::/8'], undefined],
    ['is another network', UFW, ['2380/tcp'], ['10.1.0.0/16'], 'ufw opens 2380/tcp from 10.1.0.0/16'],
    ['is everyone where only one network may', UFW, ['2380/tcp'], undefined, 'ufw opens 2380/tcp'],
    ['is nothing where firewalld lets a port through', FIREWALLD, ['2379/tcp', '8001/tcp'], undefined, undefined],
    ['is what firewalld would forget', FIREWALLD, ['9000/tcp'], undefined, 'firewalld opens 9000/tcp'],
    ['is a port from which one may come', FIREWALLD, ['1/tcp'], undefined, 'firewalld opens 1/tcp'],
    ['is nothing for a network of firewalld', FIREWALLD, ['2380/tcp'], ['10.0.0.0/8'], undefined],
    [
      'is a network that is turned away',
      FIREWALLD,
      ['2390/tcp'],
      ['10.0.0.0/8'],
      'firewalld opens 2390/tcp from 10.0.0.0/8',
    ],
    ['is nothing where no firewall is active', 'none', ['1/tcp'], undefined, undefined],
  ])('%s', (_, text, ports, from, summary) => {
    expect(due(text, ports, from)).toBe(summary);
  });

  it('says that there is none, where there is none', () => {
    const resource = firewall({ ports: ['1/tcp'] });
    expect(resource.remark?.(found({}, {}, 'none\n'))).toBe('neither firewalld nor ufw is active: nothing to open');
    expect(resource.remark?.(found({}, {}, UFW))).toBeUndefined();
  });

  it('is unknown in check mode where what is before it may bring a firewall', () => {
    const seen = { ...found({}, {}, 'none\n'), pending: true };
    expect(firewall({ ports: ['1/tcp'] }).compare(seen)).toMatchObject({ unknown: true });
  });

  it('is closed by commands of each firewall', () => {
    const rule = { first: 1, last: 2, protocol: 'tcp', network: network('10.0.0.1') };
    expect(diffFirewall(parseFirewall('ufw'), [rule])?.apply).toBe('ufw allow from 10.0.0.1 to any port 1:2 proto tcp');
    expect(
      diffFirewall(parseFirewall('firewalld\npublic\nlist --permanent\npublic'), [rule])?.apply.split('\n'),
    ).toEqual([
      `firewall-cmd -q '--add-rich-rule=rule family="ipv4" source address="10.0.0.1" port port="1-2" protocol="tcp" accept'`,
      `firewall-cmd -q --permanent '--add-rich-rule=rule family="ipv4" source address="10.0.0.1" port port="1-2" protocol="tcp" accept'`,
    ]);
  });

  it.each([
    [['2379'], undefined, "'2379' is no port"],
    [['0/tcp'], undefined, 'is no port'],
    [['65536/tcp'], undefined, 'is no port'],
    [['9-8/tcp'], undefined, 'is no port'],
    [['1/icmp'], undefined, 'is no port'],
    [['1/tcp;reboot'], undefined, 'is no port'],
    [[], undefined, 'at least one port'],
    [['1/tcp'], [], 'one network'],
    [['1/tcp'], ['example.com'], "'example.com' is no address or network"],
  ])('is refused for %j from %j', (ports, from, words) => {
    expect(() => firewall({ ports, ...(from ? { from } : {}) })).toThrow(words);
  });
});

describe('a network as firewalls list it', () => {
  it.each([
    ['10.0.0.0/8', '10.0.0.0/8', 'ipv4'],
    ['10.1.2.3', '10.1.2.3', 'ipv4'],
    ['10.1.2.3/32', '10.1.2.3', 'ipv4'],
    ['FD00:0:0::/8', 'fd00::/8', 'ipv6'],
    ['2001:db8:0:0:0:0:0:1/128', '2001:db8::1', 'ipv6'],
    ['2001:db8:0:1::/64', '2001:db8:0:1::/64', 'ipv6'],
  ])('%s is %s', (given, text, family) => {
    expect(network(given)).toEqual({ text, family });
  });

  it.each([
    ['10.0.0.1/8', 'has bits of a host in it'],
    ['2001:db8::1/64', 'has bits of a host in it'],
    ['0.0.0.0/0', 'is everyone'],
    ['10.0.0.0/33', 'is no address'],
    ['10.0.0.0/', 'is no address'],
    ['10.0.0.0/8/8', 'is no address'],
    ['fe80::1%eth0', 'is no address'],
    ['', 'is no address'],
  ])('%j is refused', (given, words) => {
    expect(() => network(given)).toThrow(words);
  });
});
