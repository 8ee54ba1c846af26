/** What playbooks may import from `etcd-play/etcd`. */
export { ensurePki, planPki } from '../pki/store.ts';
export { CLIENT_ID, clientIdentity, localCa, peerId, pkiRequest, serverId } from './certificates.ts';
export { type ClientIdentity, loadClient, type MemberClient } from './client.ts';
export type { Member, MemberStatus } from './cluster.ts';
export { certificateFiles, renderConfiguration } from './configuration.ts';
export { askMember, clientAddress, lookAtHost, type MemberAnswer, untilPeerAnswers } from './look.ts';
export {
  accountResources,
  binaryResources,
  certificateResources,
  configurationResource,
  directoryResources,
  type MemberCertificates,
  releaseResources,
  unitResources,
} from './member.ts';
export type { HostFacts } from './observe.ts';
export { type CreatePlan, planCreate } from './plan/create.ts';
export { type PlanStep, planText, type Refusal, refusalError, silentError } from './plan/plan.ts';
export type { SeenHost } from './plan/seen.ts';
export {
  ARCHITECTURES,
  type ClockReading,
  clockComplaints,
  complaintsError,
  hostComplaints,
  sameMachines,
} from './preflight.ts';
export { proveMember, untilMembersAgree } from './proof.ts';
export { sizeWarning } from './quorum.ts';
export { obtainRelease, type Release } from './releases.ts';
export { clusterReport, etcdctlLine } from './report.ts';
export { startEtcd, waitUntilReady } from './start.ts';
export type { EndpointHealth } from './tables.ts';
export { type EtcdSettings, etcdVariables, readClusterSettings } from './variables.ts';
