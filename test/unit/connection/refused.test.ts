import { expect, it } from 'vitest';
import { refused } from '../../../src/connection/log-in.ts';
import { Secret } from '../../../src/secret.ts';

const login = { host: 'nobody@jump', user: 'nobody', password: undefined };

it.each([
  ['a key file', { offered: ['publickey'], offeredFiles: ['/k/own'] }, /public key of \/k\/own into ~nobody\/\.ssh/],
  ['two', { offered: ['publickey'], offeredFiles: ['/k/a', '/k/b'] }, /public key of \/k\/a or \/k\/b into/],
  ['the agent', { offered: ['agent'], offeredFiles: [] }, /^Put a public key of the agent \(ssh-add -L\) into/],
  ['nothing', { offered: [], offeredFiles: [] }, /^No key was offered\./],
])('a refused log-in names what was offered: %s', (_, { offered, offeredFiles }, advice) => {
  expect(refused(login, { offered: new Set(offered), offeredFiles }).next).toMatch(advice);
});

it('a refused password is told as such', () => {
  const proofs = { offered: new Set(['publickey', 'password']), offeredFiles: ['/k/own'] };
  expect(refused({ ...login, password: new Secret('secret word') }, proofs).next).toMatch(/Correct the password/);
});
