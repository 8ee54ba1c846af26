import { bad, goDurationMs, good, type Kind, textOf } from '../../variables/kinds.ts';
import { parseVersion, versionProblem } from '../versions.ts';

export const keyAlgorithms = ['ecdsa-p256', 'ecdsa-p384', 'rsa-2048', 'rsa-3072', 'rsa-4096'] as const;
export type KeyAlgorithm = (typeof keyAlgorithms)[number];
export const logLevels = ['debug', 'info', 'warn', 'error', 'panic', 'fatal'] as const;
export const selinuxModes = ['refuse', 'context', 'ignore'] as const;
export type SelinuxMode = (typeof selinuxModes)[number];
export type LogLevel = (typeof logLevels)[number];

/** A release of etcd that may be installed, as `3.5.30`. */
export const version: Kind<string> = {
  type: 'version',
  read(value) {
    const text = textOf(value) ?? '';
    const fault = versionProblem(text);
    return fault ? bad(fault.problem, fault.next) : good(parseVersion(text)!.text);
  },
};

/** How far automatic compaction looks back; what it means depends on the mode, so it is checked there. */
export const retention: Kind<string> = {
  type: 'duration or number of revisions',
  read(value) {
    const text = textOf(value) ?? '';
    if (/^\d{1,12}$/.test(text) || goDurationMs(text) !== undefined) return good(text);
    return bad('must be 0 (off), a duration such as 1h or 30m, or a number of revisions');
  },
};
