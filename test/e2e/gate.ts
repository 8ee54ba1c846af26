import type { Lab } from '../lab/lab.ts';

/** The commands that change something on a host, as resources use them. */
const COMMANDS = 'rm mkdir mkfifo tar chown chmod sync mv ln cp groupadd useradd systemctl';
const GATE = '/usr/local/sbin/.gate';

/**
 * Makes a host stand still just before a command that a run gives there: the `number`th of all, or the first whose words
 * match a pattern of `sh`. It works by programs of the same names that come first in the PATH.
 */
export async function shutGate(lab: Lab, host: string, at: { number: number } | { pattern: string }): Promise<void> {
  const here = 'number' in at ? `[ "$n" = ${at.number} ]` : `case "\${0##*/} $*" in ${at.pattern}) ;; *) false ;; esac`;
  const gate = [
    '#!/bin/sh',
    'read -r n </run/gate/count; n=$((n + 1)); echo "$n" >/run/gate/count',
    // The process group of the shell that a run has opened.
    `if ${here}; then ps -o pgid= -p $$ >/run/gate/group; echo >/run/gate/reached; exec /usr/bin/sleep 600; fi`,
    'for at in /usr/sbin /usr/bin; do [ -x "$at/${0##*/}" ] && exec "$at/${0##*/}" "$@"; done',
  ];
  const script = [
    '/usr/bin/rm -rf /run/gate; /usr/bin/mkdir /run/gate; /usr/bin/mkfifo /run/gate/reached; echo 0 >/run/gate/count',
    `cat >${GATE}; /usr/bin/chmod 0755 ${GATE}`,
    `for c in ${COMMANDS}; do /usr/bin/ln -sfn ${GATE} /usr/local/sbin/$c; done`,
  ];
  const { code, stderr } = await lab.exec(host, script.join('\n'), { input: `${gate.join('\n')}\n` });
  if (code !== 0) throw new Error(`no gate on ${host}: ${stderr}`);
}

/** Comes back when the host stands still at its gate; false when that does not happen in time. */
export async function reachedGate(lab: Lab, host: string, timeoutMs = 20_000): Promise<boolean> {
  return (await lab.exec(host, `timeout ${timeoutMs / 1000} cat /run/gate/reached`)).code === 0;
}

/** Opens the gate again. What stands before it is killed with its shell, and nothing of it goes on. */
export async function openGate(lab: Lab, host: string): Promise<void> {
  const script = [
    `for c in ${COMMANDS}; do /usr/bin/rm -f /usr/local/sbin/$c; done; /usr/bin/rm -f ${GATE}`,
    '[ -s /run/gate/group ] && kill -KILL -- "-$(tr -d " " </run/gate/group)"',
    '/usr/bin/rm -rf /run/gate',
  ];
  await lab.exec(host, script.join('\n'));
}
