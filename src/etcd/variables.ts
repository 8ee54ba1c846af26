/**
 * The variables of an etcd cluster: what an inventory may set, and the typed settings that come of it for each host.
 * `declarations.ts` declares each once, `kinds.ts` reads values, `settings.ts` puts them together.
 */
export { etcdVariables, type VariableDeclaration, versionsText } from './variables/declarations.ts';
export type { KeyAlgorithm, LogLevel } from './variables/kinds.ts';
export {
  type EtcdSettings,
  type GivenVariable,
  type HostVariables,
  readClusterSettings,
  readSettings,
  type SettingsReading,
  type VariableWarning,
} from './variables/settings.ts';
