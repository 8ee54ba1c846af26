/** What playbooks may import from `etcd-play`. */

export type { Connection, ScriptInput, ScriptOutput, ScriptResult } from './connection/connection.ts';
export { RemoteCommandError } from './connection/errors.ts';
export { quote } from './connection/quote.ts';
export { type Received, type ReceiveOptions, receive } from './connection/receive.ts';
export { InputError, ManyErrors, PlayError, UnreachableError } from './errors.ts';
export { type AbsentWish, absent } from './resource/absent.ts';
export { type SystemUserWish, systemUser } from './resource/account.ts';
export { type ArchiveWish, archive } from './resource/archive.ts';
export { type BlockInFileWish, blockInFile } from './resource/block-in-file.ts';
export { type CommandWish, command } from './resource/command.ts';
export { type CopyWish, copy } from './resource/copy.ts';
export { type CopyTreeWish, copyTree } from './resource/copy-tree.ts';
export { type DirectoryWish, directory } from './resource/directory.ts';
export type { FetchWish } from './resource/fetch.ts';
export { type FileWish, file } from './resource/file.ts';
export { type FirewallWish, firewall } from './resource/firewall.ts';
export { type GroupWish, group } from './resource/group.ts';
export { type HostEntriesWish, hostEntries } from './resource/host-entries.ts';
export { type LineInFileWish, lineInFile } from './resource/line-in-file.ts';
export { type LinkWish, link } from './resource/link.ts';
export type { Need } from './resource/need.ts';
export { type PackagesWish, packages } from './resource/packages.ts';
export type { PathState } from './resource/path-state.ts';
export { type Change, type Found, ProbeError, type Resource } from './resource/resource.ts';
export { type ScriptWish, script } from './resource/script.ts';
export { enabled, type UnitWish, unit } from './resource/service.ts';
export { type ServiceWish, service } from './resource/service-state.ts';
export { type SysctlWish, sysctl } from './resource/sysctl.ts';
export { type TemplateWish, template } from './resource/template.ts';
export { type TimerWish, timer } from './resource/timer.ts';
export { type UserWish, user } from './resource/user.ts';
export { type FetchOptions, fetch } from './runner/fetch.ts';
export {
  type HostContext,
  type Outcome,
  once,
  type Play,
  type Playbook,
  play,
  playbook,
  type RunContext,
  type StepOptions,
  step,
  type Task,
  type TaskOptions,
  type TaskResult,
  task,
} from './runner/playbook.ts';
export { Secret } from './secret.ts';
export { renderTemplate } from './template/template.ts';
export {
  type ValuesOf,
  type VariableDeclaration,
  type VariableOptions,
  type Variables,
  variable,
} from './variables/declaration.ts';
export type { Kind, Reading } from './variables/kinds.ts';
