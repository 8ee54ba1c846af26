import { certificateFiles } from './configuration.ts';
import type { MemberAnswer } from './look.ts';
import { type EndpointHealth, healthTable, memberTable } from './tables.ts';
import type { EtcdSettings } from './variables.ts';

/** What a run ends with: the members, their health, and the command line to go on with. */
export function clusterReport(
  settings: readonly EtcdSettings[],
  answers: ReadonlyMap<string, MemberAnswer>,
  health: readonly EndpointHealth[],
): string {
  const api = [...answers.values()].find((answer) => answer.api)?.api;
  const parts = [
    api
      ? `Cluster ${api.status.clusterId}, etcd ${api.status.version}\n${memberTable(api.members, api.status.leaderId)}`
      : '',
    healthTable(health),
    `On any of the hosts:\n  ${etcdctlLine(settings)} endpoint status -w table`,
  ];
  return `\n${parts.filter((part) => part !== '').join('\n')}`;
}

/** The one line that reaches the whole cluster from any of its hosts. */
export function etcdctlLine(settings: readonly EtcdSettings[]): string {
  const files = certificateFiles(settings[0]!);
  const endpoints = settings.map((one) => one.advertiseClientUrls[0]!).join(',');
  const tls = `--cacert=${files.ca} --cert=${files.clientCert} --key=${files.clientKey}`;
  return `sudo ETCDCTL_API=3 ${settings[0]!.binDir}/etcdctl --endpoints=${endpoints} ${tls}`;
}
