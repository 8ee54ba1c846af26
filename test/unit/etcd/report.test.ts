import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { clusterReport, etcdctlLine } from '../../../src/etcd/report.ts';
import { status, Wanted } from './plan/observed.ts';

const wanted = new Wanted(2);
const health = [{ endpoint: 'https://10.0.0.11:2379', healthy: true, tookMs: 1, error: '' }];

describe('the report of a cluster', () => {
  it('shows the cluster, its members, their health and the line to go on with', () => {
    const answers = new Map([
      ['h1', {}],
      ['h2', { api: { status: status('h2', 'cdf818194e3a8c32'), members: wanted.members(wanted.hosts) } }],
    ]);
    const text = clusterReport(wanted.settings, answers, health);
    expect(text).toContain('Cluster cdf818194e3a8c32, etcd 3.5.16\n+--');
    expect(text).toContain('| etcd-h2 |');
    expect(text).toContain('| true   | 1.00ms |');
    expect(text).toMatch(/endpoint status -w table$/);
  });

  it('shows what there is where no member has answered', () => {
    const text = clusterReport(wanted.settings, new Map([['h1', {}]]), health);
    expect(text).not.toContain('Cluster');
    expect(text).toContain('ENDPOINT');
  });
});

describe('the line for etcdctl', () => {
  it('is one command that reaches all members, by the API of version 3', () => {
    const words = execFileSync('/bin/sh', ['-c', `printf '%s\\n' ${etcdctlLine(wanted.settings)}`]).toString();
    expect(words.trim().split('\n')).toEqual([
      'sudo',
      'ETCDCTL_API=3',
      '/usr/local/bin/etcdctl',
      '--endpoints=https://10.0.0.11:2379,https://10.0.0.12:2379',
      '--cacert=/etc/etcd/cert/etcd-ca.pem',
      '--cert=/etc/etcd/cert/etcd-client.pem',
      '--key=/etc/etcd/cert/etcd-client-key.pem',
    ]);
  });
});
