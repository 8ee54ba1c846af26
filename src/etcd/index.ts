/** What playbooks may import from `etcd-play/etcd`. */

export { type Consumer, type ConsumerRequest, inspectConsumer, issueConsumer } from '../pki/consumer.ts';
export { judgeCertificates, listCertificates } from '../pki/listing.ts';
export { checkOpenssl, LEAST_PASSWORD_LENGTH } from '../pki/pkcs12.ts';
export { readRotation } from '../pki/rotation.ts';
export { ensurePki, planPki } from '../pki/store.ts';
export { identitiesIn } from './backup/age/keys.ts';
export { type FoundBackup, findBackups } from './backup/catalogue.ts';
export { backupIdentity } from './backup/identity.ts';
export { copyBackup, keepFile, linkLatest, removeExpired } from './backup/keep.ts';
export type { Manifest } from './backup/manifest.ts';
export { type BackupMetrics, writeMetrics } from './backup/metrics.ts';
export { backupFileName, compressions, v2FileName } from './backup/naming.ts';
export { DiskError } from './backup/on-disk.ts';
export { aheadText } from './backup/order.ts';
export { openBackup, packFile } from './backup/packing.ts';
export { DamagedError, type Proven, prove } from './backup/prove.ts';
export {
  BadBackupError,
  type FileProofRequest,
  type ProvenFile,
  proveFile,
} from './backup/prove-file.ts';
export { readIdentities } from './backup/read-identities.ts';
export { recipientKind } from './backup/recipients.ts';
export { backupReport, makeManifest, retentionText } from './backup/report.ts';
export type { RetentionPolicy } from './backup/retention.ts';
export type { SnapshotSums } from './backup/snapshot-sum.ts';
export { saveOnHost, streamSnapshot } from './backup/take.ts';
export { type EtcdTools, fittingTools, localTools } from './backup/tools.ts';
export type { V2Node } from './backup/v2/keys.ts';
export { type V2State, v2GetFrom, v2State } from './backup/v2/look.ts';
export { openV2 } from './backup/v2/open.ts';
export { knowsV2 } from './backup/v2/save.ts';
export { type TakenV2, takeV2 } from './backup/v2/take.ts';
export { existingParent, makeWorkFolder, removeWorkFolder } from './backup/work-folder.ts';
export { zstdAvailable } from './backup/zstd.ts';
export { CLIENT_ID, clientIdentity, localCa, peerId, pkiRequest, serverId } from './certificates.ts';
export { certificatesNotWell, certificatesRecord, certificatesText, consumerText } from './certificates-report.ts';
export type { ClientIdentity, MemberClient } from './client.ts';
export type { Member, MemberStatus } from './cluster.ts';
export { certificateFiles, renderConfiguration } from './configuration.ts';
export { firstKey, prefixEnd } from './grpc/keys.ts';
export { type MemberApi, openMemberApi } from './grpc/member.ts';
export { deleteSaved } from './keys/delete.ts';
export { checkSaved, readSaved, saveKeys } from './keys/saved.ts';
export { encodings, readBytes, spell } from './keys/spelling.ts';
export { keysRecord, keyText, listText } from './keys/text.ts';
export { lookForUndo, type UndoCounts, undo } from './keys/undo.ts';
export { walkKeys } from './keys/walk.ts';
export { freeTime, setAside, stopForGood } from './live/aside.ts';
export { carryOut, type Operation } from './live/carry-out.ts';
export { LiveCluster } from './live/cluster.ts';
export { lookAtFiles } from './live/files.ts';
export { LiveMigration, refusedOnTheWay } from './live/migrate.ts';
export { migrateOffline } from './live/migrate-offline.ts';
export { measureMove, performMove } from './live/move.ts';
export { perform, prepareTasks } from './live/perform.ts';
export { compareFiles, performRoll } from './live/roll.ts';
export {
  consumersOfOldCa,
  fingerprints,
  LAST_PLAY,
  leafIds,
  performRotation,
  SIGN_PLAY,
} from './live/rotate.ts';
export { type ClusterDoor, MemberSessions } from './live/sessions.ts';
export { LiveSpace, type SpaceSight } from './live/space.ts';
export { VersionWork } from './live/version-work.ts';
export { askMember, clientAddress, lookAtHost, type MemberAnswer, untilPeerAnswers } from './look.ts';
export {
  accountResources,
  binaryResources,
  certificateResources,
  configurationResource,
  directoryResources,
  type MemberCertificates,
  releaseResources,
  surroundingsResources,
  unitResources,
  wantsSurroundings,
} from './member.ts';
export { compareSides, type Difference, type Sides } from './mirror/compare.ts';
export { type Copied, copyDifferences } from './mirror/copy.ts';
export { openDestination } from './mirror/destination.ts';
export { type Followed, follow } from './mirror/follow.ts';
export { overlaps } from './mirror/mapping.ts';
export type { HostFacts } from './observe.ts';
export type { ChangePlan, MemberAction, Planned } from './plan/action.ts';
export { planAdd } from './plan/add.ts';
export { type BackupCandidate, type BackupPlan, planBackup } from './plan/backup.ts';
export { type CreatePlan, planCreate } from './plan/create.ts';
export { planDelete } from './plan/delete.ts';
export { planDowngrade } from './plan/downgrade.ts';
export { type KeysPlan, planDeleteKeys, planUndoKeys } from './plan/keys.ts';
export { type MigrateAction, planMigrate } from './plan/migrate.ts';
export { cutOverText, extraPolicies, type MirrorFound, type MirrorPlan, planMirror } from './plan/mirror.ts';
export { type MoveAction, type MoveRequest, planMove } from './plan/move.ts';
export { type PlanStep, planText, type Refusal, refusalError, silentError } from './plan/plan.ts';
export { type BackupChoice, planRecover, type RecoverPlan } from './plan/recover.ts';
export { type MemberFiles, planReload } from './plan/reload.ts';
export { planReplace, replacedId } from './plan/replace.ts';
export { type ProvenBackup, planRestore, type RestorePlan, refuseV2 } from './plan/restore.ts';
export type { RollAction } from './plan/roll.ts';
export { planAuthority, planOutage, planRotateLeaves, type RotateAction } from './plan/rotate.ts';
export { hasData, isRunning, type SeenHost } from './plan/seen.ts';
export { freeForData, memberAt } from './plan/sight.ts';
export { planSpace, type SpaceAction, type SpaceWish, spaceWishesKind } from './plan/space.ts';
export type { HostData } from './plan/survivors.ts';
export { planUpgrade } from './plan/upgrade.ts';
export { gatesText } from './plan/upgrade-gates.ts';
export type { VersionAction } from './plan/version-steps.ts';
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
export { backupChoice } from './recover/backup.ts';
export { beginAnew } from './recover/begin.ts';
export { joinAll } from './recover/join-all.ts';
export { lookAtData } from './recover/look.ts';
export { obtainRelease, type Release } from './releases.ts';
export { clusterReport, etcdctlLine } from './report.ts';
export { finishRestore, type RestoreWork, restoreOn } from './restore/carry-out.ts';
export { takeSafetyBackup } from './restore/safety.ts';
export { servesV2 } from './restore/v2.ts';
export { type SpaceReport, spaceProblems, spaceRecord, spaceText } from './space-report.ts';
export { startEtcd, waitUntilReady } from './start.ts';
export { notWell } from './status/error.ts';
export { lookAtStatus } from './status/look.ts';
export type { Problem } from './status/problem.ts';
export { statusRecord } from './status/record.ts';
export type { StatusSight } from './status/sight.ts';
export { statusText } from './status/text.ts';
export type { EndpointHealth } from './tables.ts';
export { type EtcdSettings, etcdVariables, readClusterSettings } from './variables.ts';
