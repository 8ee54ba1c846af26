import { describe, expect, it } from 'vitest';
import { describeError, InputError, ManyErrors } from '../../../src/errors.ts';
import { canonicalIp, canonicalSans, checkWishes, dnsNameFault } from '../../../src/pki/wish.ts';
import { client, server } from './workshop.ts';

describe('a name in a certificate', () => {
  it.each([
    'localhost',
    'h1',
    'etcd-h1.example.com',
    'under_score.internal',
    '*.etcd.svc',
    'a'.repeat(63),
    '1host',
    '3com.com',
    'etcd-10.0.0.11',
  ])('may be %s', (name) => expect(dnsNameFault(name)).toBeUndefined());

  it.each([
    ['', 'is empty'],
    ['a b', 'label that is none'],
    ['-a', 'label that is none'],
    ['a-', 'label that is none'],
    ['a..b', 'empty label'],
    ['host.', 'ends with a dot'],
    ['a.*.b', 'label that is none'],
    ['*', 'label that is none'],
    ['bücher.example', 'label that is none'],
    ['a,DNS:evil', 'label that is none'],
    ['10.0.0.1', 'is an IP address'],
    ['::1', 'is an IP address'],
    ['10.0.0.256', 'looks like an IP address'],
    ['a'.repeat(64), 'longer than 63'],
    [`${'a.'.repeat(127)}a`, 'longer than 253'],
  ])('may not be %j', (name, why) => expect(dnsNameFault(name)).toContain(why));
});

describe('an address', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::1', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['FD00::000A:1', 'fd00::a:1'],
    ['2001:db8:0:0:1::', '2001:db8:0:0:1::'],
  ])('%s is written %s', (given, written) => expect(canonicalIp(given)).toBe(written));

  it.each(['', 'h1', '10.0.0', '10.0.0.256', 'fe80::1%eth0', ':::', '[::1]', '10.0.0.1/8', '::1/128', '010.0.0.1'])(
    '%j is none',
    (given) => expect(canonicalIp(given)).toBeUndefined(),
  );

  it('and a name count once, whatever their spelling and order', () => {
    expect(canonicalSans({ dns: ['H1', 'a', 'h1'], ip: ['::1', '0::1', '10.0.0.1'] })).toEqual({
      dns: ['a', 'h1'],
      ip: ['10.0.0.1', '::1'],
    });
  });
});

describe('wishes', () => {
  it('for servers, members and clients pass', () => {
    expect(() => checkWishes([server, { ...server, id: 'etcd-h1-peer' }, client])).not.toThrow();
  });

  it.each([
    ['a path as id', { ...server, id: '../x' }, 'no name for a file'],
    ['a hidden file as id', { ...server, id: '.x' }, 'no name for a file'],
    ["the CA's file", { ...server, id: 'ca' }, 'ca.pem is already'],
    ["the CA's key", { ...server, id: 'ca-key' }, 'ca-key.pem is already'],
    ['an empty common name', { ...server, commonName: '' }, 'common name'],
    ['a long common name', { ...server, commonName: 'x'.repeat(65) }, 'common name'],
    ['a line break in a name', { ...server, organization: 'a\nb' }, 'organization'],
    ['no usage', { ...server, usage: [] }, 'neither server nor client'],
    ['a bad DNS name', { ...server, sans: { dns: ['no good'], ip: [] } }, '"no good" has a label'],
    ['a bad address', { ...server, sans: { dns: [], ip: ['10.0.0'] } }, '"10.0.0" is no IP address'],
    ['an address with a zone', { ...server, sans: { dns: [], ip: ['fe80::1%eth0'] } }, 'is no IP address'],
    ['a server without names', { ...server, sans: { dns: [], ip: [] } }, 'needs a DNS name'],
  ])('with %s are refused, with the next step', (_, wish, message) => {
    const check = () => checkWishes([wish]);
    expect(check).toThrow(InputError);
    expect(check).toThrow(message);
    expect(check).toThrow(expect.objectContaining({ next: expect.stringMatching(/\.$/) }));
  });

  it('for two files of one name are refused', () => {
    expect(() => checkWishes([server, server])).toThrow('etcd-h1-server.pem is already the name of another file');
    expect(() => checkWishes([server, { ...client, id: `${server.id}-key` }])).toThrow('etcd-h1-server-key.pem');
  });

  it('that are wrong are all named at once', () => {
    const check = () =>
      checkWishes([
        { ...server, commonName: '' },
        { ...client, usage: [] },
      ]);
    expect(check).toThrow(ManyErrors);
    try {
      check();
    } catch (error) {
      expect(describeError(error)).toMatch(/"etcd-h1-server"[\s\S]*"client"/);
    }
  });
});
