import { expect, it } from 'vitest';
import type { SeenHost } from '../../../../src/etcd/plan/seen.ts';
import { assess, isSettling } from '../../../../src/etcd/plan/sight.ts';
import { ACTIVATING, status, Wanted, withFacts } from './observed.ts';

const wanted = new Wanted(3);
const serving = (host: string) => wanted.serving(host);
const stopped = (host: string) => wanted.stopped(host);
const starting = (host: string) => withFacts(stopped(host), ACTIVATING);
const heard = (host: string): SeenHost => ({ ...starting(host), peers: wanted.members(wanted.hosts) });
const endingAgain = (host: string) =>
  withFacts(stopped(host), { service: { ...ACTIVATING.service!, subState: 'auto-restart' } });
/** It answers, and knows of no leader; since 3.5 it then lists no members. */
const unled = (host: string, { lists = false } = {}): SeenHost => {
  const own = { ...status(host), leaderId: undefined };
  const { api, ...rest } = serving(host);
  return { ...rest, status: own, ...(lists ? { api: { ...api!, status: own } } : { peers: api!.members }) };
};
const lost = (host: string) => ({ host, settings: wanted.settings[0]!, reason: 'no route' });

it.each<[string, SeenHost[], settling: boolean, away?: string]>([
  ['all serve', ['h1', 'h2', 'h3'].map(serving), false],
  ['one is stopped', [serving('h1'), serving('h2'), stopped('h3')], false],
  ['nobody leads yet', ['h1', 'h2', 'h3'].map((host) => unled(host)), true],
  ['nobody leads yet, and they list members', ['h1', 'h2', 'h3'].map((host) => unled(host, { lists: true })), true],
  ['nobody leads yet, and one is stopped', [unled('h1'), unled('h2'), stopped('h3')], true],
  ['nobody will lead: too few are up', [unled('h1'), stopped('h2'), stopped('h3')], false],
  ['none is up', ['h1', 'h2', 'h3'].map(stopped), false],
  ['all are being started, and answer their peers', ['h1', 'h2', 'h3'].map(heard), true],
  ['one is being started', [serving('h1'), serving('h2'), starting('h3')], true],
  ['one ends again and again', [serving('h1'), serving('h2'), endingAgain('h3')], false],
  ['one does not follow yet', [serving('h1'), serving('h2'), unled('h3')], true],
  [
    'the one that led was stopped, and its followers have not noticed',
    [stopped('h1'), serving('h2'), serving('h3')],
    true,
  ],
  ['the host of the one that leads cannot be reached', [serving('h2'), serving('h3')], false, 'h1'],
  ['a host cannot be reached, and nobody leads yet', [unled('h1'), unled('h2')], true, 'h3'],
])('%s', (_, hosts, settling, away) => {
  const state = assess({ hosts, lost: away === undefined ? [] : [lost(away)] });
  expect(isSettling(state)).toBe(settling);
});
