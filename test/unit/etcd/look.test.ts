import { describe, expect, it } from 'vitest';
import { clientAddress, lookAtHost, peerAddress } from '../../../src/etcd/look.ts';
import { fakeConnection } from '../connection/fake.ts';
import { Wanted } from './plan/observed.ts';

const settings = new Wanted(1).settings[0]!;

describe('a look at a host', () => {
  it('gives its clock as what it surely lies between', async () => {
    let readAt = 0;
    const host = fakeConnection(async () => {
      readAt = Date.now();
      const stdout = `clock ${readAt / 1000 + 10}\n`;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { code: 0, stdout, stderr: '', durationMs: 20 };
    });
    const { clock } = await lookAtHost(host, settings);
    expect(clock.earliest).toBeLessThan(10);
    // As old as the answer is.
    expect(clock.earliest).toBeGreaterThan(9.999 - (Date.now() - readAt) / 1000);
    expect(clock.latest).toBeGreaterThanOrEqual(10);
  });

  // Half of it looks like a host without data.
  it('that was cut off is an error, not a host where nothing is', async () => {
    const host = fakeConnection(async () => ({ code: 137, stdout: 'uid 0\n', stderr: 'Killed', durationMs: 1 }));
    await expect(lookAtHost(host, settings)).rejects.toThrow('looking at the host failed with exit status 137: Killed');
  });

  it('is taken again while etcd is being started and has not made its log yet', async () => {
    const unit = '<unit\nActiveState=activating\nSubState=start\n\nunit>\n';
    const prints = ['wal 0\ndatabase 1\n', 'wal 0\ndatabase 1\n', 'wal 1\ndatabase 1\n', 'wal 2\n'];
    const host = fakeConnection(async () => ({ code: 0, stdout: unit + prints.shift(), stderr: '', durationMs: 1 }));
    const { facts } = await lookAtHost(host, settings);
    expect(facts.data).toMatchObject({ walFiles: 1, database: true });
  });

  it('is taken once of a member that has its log, or that waits for its next try', async () => {
    for (const state of ['SubState=start\n\nunit>\nwal 1\n', 'SubState=auto-restart\n\nunit>\nwal 0\n']) {
      let looks = 0;
      const host = fakeConnection(async () => {
        looks++;
        return { code: 0, stdout: `<unit\nActiveState=activating\n${state}`, stderr: '', durationMs: 1 };
      });
      await lookAtHost(host, settings);
      expect(looks, state).toBe(1);
    }
  });
});

describe('where a member is reached from its own host', () => {
  it.each([
    [['https://10.0.0.11:2379', 'https://127.0.0.1:2379'], '10.0.0.11'],
    [['https://0.0.0.0:2379'], '127.0.0.1'],
    [['https://[::]:2379'], '::1'],
    [['https://[fd00::1]:2379'], 'fd00::1'],
  ])('for %j is %s', (urls, address) => {
    const expected = { address, port: 2379, serverName: 'localhost' };
    expect(clientAddress({ ...settings, listenClientUrls: urls })).toEqual(expected);
    expect(peerAddress({ ...settings, listenPeerUrls: urls })).toEqual(expected);
  });
});
