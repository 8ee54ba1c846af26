/** What playbooks may import from `etcd-play`. */

export type { Connection, ScriptResult } from './connection/connection.ts';
export { RemoteCommandError } from './connection/errors.ts';
export { quote } from './connection/quote.ts';
export { InputError, ManyErrors, PlayError, UnreachableError } from './errors.ts';
export { systemUser } from './resource/account.ts';
export { archive } from './resource/archive.ts';
export { directory } from './resource/directory.ts';
export { file } from './resource/file.ts';
export { link } from './resource/link.ts';
export type { PathState } from './resource/path-state.ts';
export type { Change, Found, Resource } from './resource/resource.ts';
export { enabled, unit } from './resource/service.ts';
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
