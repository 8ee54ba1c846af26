import { posix } from 'node:path';
import { quote } from '../connection/quote.ts';
import { archiveProbe } from '../resource/archive.ts';
import { entryOfLog, staysTest } from './data-parts.ts';
import { parseListeners, parseLocalAddresses } from './proc-net.ts';
import { LogReader } from './wal.ts';

export interface ObserveRequest {
  dataDir: string;
  /** Undefined: inside the data directory, where etcd puts it by itself. */
  walDir: string | undefined;
  confFile: string;
  caFile: string;
  /** The versioned directory that the release is unpacked to. */
  releaseDir: string;
  /** The link that leads to the binary in use. */
  binary: string;
}

/** What lies on a host, and what it is like. Everything in it was read; nothing was changed to learn it. */
export interface HostFacts {
  /** Is this root? */
  uid: number;
  /** What runs as process 1: `systemd` is wanted. */
  init: string;
  /** As `uname -m` says: x86_64, aarch64. */
  machine: string;
  os: string;
  /** SELinux is there, and refuses what its policy does not allow. */
  enforces?: boolean;
  hostName: string;
  /** The host's own identity: two inventory names with one id are one host. */
  machineId: string;
  /** Seconds since 1970 on the host's clock. */
  clockSeconds: number;
  /** The addresses that the host itself has. */
  localAddresses: string[];
  /** TCP ports that something listens on, and whether it is etcd's own service. */
  listeners: { port: number; ours: boolean }[];
  service: {
    activeState: string;
    subState: string;
    result: string;
    restarts: number;
    /** The unit file in use, empty where there is none. */
    fragment: string;
    /** systemd starts it at boot. */
    enabled?: boolean;
  };
  /** The process that runs now: what it was started with. Undefined where none runs. */
  running?: { environment: Map<string, string>; binary: string };
  /** Text of the environment file, undefined where there is none. */
  configuration: string | undefined;
  /** Text of the CA certificate that the host trusts. */
  ca: string | undefined;
  data: DataState;
  /** sha256 of the archive that the wanted release was unpacked from; empty where it is not installed. */
  releaseSum: string;
  /** Where the link to the binary leads; empty where there is none. */
  binaryTarget: string;
  /** The link to the binary leads into the wanted release. */
  binaryInUse: boolean;
  /** Files where the links to the binaries are to be, put there by someone else. */
  strayBinaries: string[];
  /** What `move_etcd` has left on its way: data that are held back here, and data that are on their way here. */
  moves?: MoveTraces;
  /** Free space where each path is, or will be. */
  disks: { path: string; freeBytes: number; device: string }[];
}

export interface MoveTraces {
  /** Members, by ID, that are to leave this host; `held`: their data are moved aside for it, and etcd cannot start on them. */
  moving: { id: string; held: boolean }[];
  /** Members whose data are being copied here; `ahead`: a first copy was made while they ran. */
  arriving: { id: string; ahead: boolean }[];
}

export interface DataState {
  /** There is no such directory. */
  absent?: boolean;
  /** It is a mount point, or a link to where the data are: it stays, and what is in it moves within. */
  isMount?: boolean;
  /** The log directory itself is a mount point: etcd makes it by a rename, and so do we. */
  logIsMount?: boolean;
  /** `none`: absent or empty; `etcd`: it holds a `member` directory; `foreign`: it holds something else. */
  kind: 'none' | 'etcd' | 'foreign';
  /** Write-ahead log files with a record in them: what makes a directory the memory of a member. */
  walFiles: number;
  /** There is a log, and not one record in it: etcd was ended in the moment between. */
  isBlank?: boolean;
  /** Is there a database? */
  database: boolean;
  /** Some of what stands there, for a message. */
  entries: string[];
}

/** One script, one round trip: prints `key value` lines, and blocks of text between marks. */
export function observeScript(request: ObserveRequest): string {
  const { dataDir, walDir, confFile, caFile, releaseDir, binary } = request;
  const data = quote(dataDir);
  const wal = quote(walDir ?? `${dataDir}/member/wal`);
  const logEntry = entryOfLog(request);
  const block = (name: string, command: string) => `echo '<${name}'; ${command}; printf '\n%s\n' '${name}>'`;
  return [
    'echo "clock $(date +%s.%N)"',
    'echo "uid $(id -u)"',
    'read -r init </proc/1/comm; echo "init $init"',
    'uname -nm | { read -r n m; echo "machine $m"; echo "hostname $n"; }',
    '[ -r /etc/machine-id ] && read -r id </etc/machine-id && echo "machine-id $id"',
    '( . /etc/os-release 2>/dev/null; echo "os ${PRETTY_NAME:-unknown}" )',
    'read -r e 2>/dev/null </sys/fs/selinux/enforce && [ "$e" = 1 ] && echo "selinux 1"',
    `u=$(systemctl show etcd.service -p ${UNIT_PROPERTIES.join(' -p ')} 2>/dev/null)`,
    block('unit', 'echo "$u"'),
    'pid=${u##*MainPID=}; pid=${pid%%[!0-9]*}',
    // Before the sockets of the process: what it has begun to listen on behind that would be taken for another's.
    block('tcp', 'cat /proc/net/tcp /proc/net/tcp6 2>/dev/null'),
    block('sockets', '[ "${pid:-0}" -gt 0 ] && ls -l "/proc/$pid/fd" 2>/dev/null'),
    'if [ "${pid:-0}" -gt 0 ]; then',
    '  echo "exe $(readlink "/proc/$pid/exe" 2>/dev/null)"',
    `  ${block('environment', `tr '\\0' '\\n' <"/proc/$pid/environ" 2>/dev/null | grep -E '^(ETCD_|PLAY_|GO(GC|MAXPROCS|MEMLIMIT|DEBUG)=)'`)}`,
    'fi',
    block('fib', 'cat /proc/net/fib_trie 2>/dev/null'),
    block('if6', 'cat /proc/net/if_inet6 2>/dev/null'),
    `[ -f ${quote(confFile)} ] && { ${block('configuration', `cat -- ${quote(confFile)}`)}; }`,
    `[ -f ${quote(caFile)} ] && { ${block('ca', `cat -- ${quote(caFile)}`)}; }`,
    `[ -d ${data} ] && echo 'data-dir 1'; ${staysTest(dataDir)} 2>/dev/null && echo 'data-mount 1'`,
    `mountpoint -q -- ${wal} 2>/dev/null && echo 'log-mount 1'`,
    ...(logEntry === undefined ? [] : [`echo ${quote(`log-entry ${logEntry}`)}`]),
    block('data', `ls -A -- ${data} 2>/dev/null`),
    `w=0; for f in ${wal}/*.wal; do [ -e "$f" ] && w=$((w+1)); done; echo "wal $w"`,
    // While it serves, its log has records: no need to look.
    `case $w$u in 1*ActiveState=active*) ;; 1*) echo "log-head $(od -An -v -tx1 -N ${HEAD_BYTES} -- ${wal}/${FIRST_LOG} 2>/dev/null | tr -d ' \\n')" ;; esac`,
    `[ -e ${data}/member/snap/db ] && echo "database 1"`,
    moveProbe(dataDir, walDir),
    `echo "release $(${archiveProbe(releaseDir)})"`,
    `echo "binary $(readlink -f -- ${quote(binary)} 2>/dev/null)"`,
    `[ ${quote(binary)} -ef ${quote(`${releaseDir}/etcd`)} ] && echo 'in-use 1'`,
    `for f in ${TOOLS.map((tool) => quote(posix.join(posix.dirname(binary), tool))).join(' ')}; do [ -e "$f" ] && [ ! -h "$f" ] && echo "stray $f"; done`,
    diskProbe([...new Set([dataDir, walDir ?? dataDir, releaseDir])]),
    ':',
  ].join('\n');
}

/** The first file of a log. What etcd makes it with takes some 130 bytes; records follow. */
const FIRST_LOG = `${'0'.repeat(16)}-${'0'.repeat(16)}.wal`;
const HEAD_BYTES = 512;

function moveProbe(dataDir: string, walDir: string | undefined): string {
  const data = quote(dataDir);
  const wal = walDir === undefined ? '' : `[ -d ${quote(walDir)}".moving-$i" ] && `;
  return [
    `for d in ${data}/moving-*; do [ -d "$d" ] || continue; i=\${d##*-}; h=0; [ -d "$d/member" ] && ${wal}h=1; echo "moving $i $h"; done`,
    `for d in ${data}/arriving-*; do [ -d "$d" ] || continue; a=0; [ -e "$d/ahead" ] && a=1; echo "arriving \${d##*-} $a"; done`,
  ].join('\n');
}

const TOOLS = ['etcd', 'etcdctl', 'etcdutl'];
const UNIT_PROPERTIES = ['ActiveState', 'SubState', 'Result', 'NRestarts', 'FragmentPath', 'UnitFileState', 'MainPID'];

/** The free space where each path is, or will be: of its nearest parent that is there. One `df` for all. */
function diskProbe(paths: readonly string[]): string {
  const nearest = paths.map(
    (path) => `p=${quote(path)}; while [ ! -d "$p" ]; do p=\${p%/*}; p=\${p:-/}; done; set -- "$@" "$p"`,
  );
  const names = paths.map(quote).join(' ');
  const read = `read -r _; for n in ${names}; do read -r d _ _ k _; echo "disk $k $d $n"; done`;
  return `set --; ${nearest.join('; ')}; df -Pk -- "$@" | { ${read}; }`;
}

/** Reads what {@link observeScript} printed. */
export function parseFacts(stdout: string): HostFacts {
  const { values, blocks, disks, strayBinaries, moves } = split(stdout);
  const own = new Set([...(blocks.get('sockets') ?? '').matchAll(/socket:\[(\d+)\]/g)].map((match) => match[1]));
  const unit = new Map((blocks.get('unit') ?? '').split('\n').map((line) => cut(line, '=')));
  const isBlank = isBlankLog(values.get('log-head') ?? '');
  const entries = (blocks.get('data') ?? '')
    .split('\n')
    .filter((entry) => entry !== '' && !isHarmless(entry, values.get('log-entry')));
  return {
    uid: Number(values.get('uid') ?? -1),
    init: values.get('init') ?? '',
    machine: values.get('machine') ?? '',
    os: values.get('os') ?? '',
    ...(values.has('selinux') && { enforces: true }),
    hostName: values.get('hostname') ?? '',
    machineId: values.get('machine-id') ?? '',
    clockSeconds: Number(values.get('clock') ?? Number.NaN),
    localAddresses: parseLocalAddresses(blocks.get('fib') ?? '', blocks.get('if6') ?? ''),
    listeners: parseListeners(blocks.get('tcp') ?? '').map(({ port, inode }) => ({ port, ours: own.has(inode) })),
    service: {
      activeState: unit.get('ActiveState') ?? '',
      subState: unit.get('SubState') ?? '',
      result: unit.get('Result') ?? '',
      restarts: Number(unit.get('NRestarts') ?? 0),
      fragment: unit.get('FragmentPath') ?? '',
      enabled: unit.get('UnitFileState') === 'enabled',
    },
    ...(values.get('exe') && { running: { environment: environmentOf(blocks), binary: values.get('exe')! } }),
    configuration: blocks.get('configuration'),
    ca: blocks.get('ca'),
    data: {
      absent: !values.has('data-dir'),
      ...(values.has('data-mount') && { isMount: true }),
      ...(values.has('log-mount') && { logIsMount: true }),
      kind: entries.length === 0 ? 'none' : entries.includes('member') ? 'etcd' : 'foreign',
      walFiles: isBlank ? 0 : Number(values.get('wal') ?? 0),
      ...(isBlank && { isBlank }),
      database: values.has('database'),
      entries,
    },
    releaseSum: values.get('release') ?? '',
    binaryTarget: values.get('binary') ?? '',
    binaryInUse: values.has('in-use'),
    strayBinaries,
    ...(moves.moving.length + moves.arriving.length > 0 && { moves }),
    disks,
  };
}

function isBlankLog(headHex: string): boolean {
  const reader = new LogReader(FIRST_LOG);
  reader.push(Buffer.from(headHex, 'hex'));
  return reader.isBlank;
}

function environmentOf(blocks: ReadonlyMap<string, string>): Map<string, string> {
  const lines = (blocks.get('environment') ?? '').split('\n').filter((line) => line !== '');
  return new Map(lines.map((line) => cut(line, '=')));
}

/** A mount point's `lost+found`, the folder of the log where that lies inside, what was put aside by us, and what a killed run left. */
function isHarmless(entry: string, logEntry: string | undefined): boolean {
  if (entry === 'lost+found' || entry === logEntry || entry === 'bak-part') return true;
  if (/(^|\.)(aside|moving|arriving|bak|failed)-[0-9a-zTZ]+$/.test(entry)) return true;
  return /^\.?restore-\d{8}T\d{6}Z(\.|$)|^migrate\.\w{6}$/.test(entry);
}

function split(stdout: string) {
  const values = new Map<string, string>();
  const blocks = new Map<string, string>();
  const disks: HostFacts['disks'] = [];
  const strayBinaries: string[] = [];
  const moves: MoveTraces = { moving: [], arriving: [] };
  let open: { name: string; lines: string[] } | undefined;
  for (const line of stdout.split('\n')) {
    if (open) {
      if (line === `${open.name}>`) {
        // The newline before the mark is ours: joined, the text is as it stands in the file.
        blocks.set(open.name, open.lines.join('\n'));
        open = undefined;
      } else open.lines.push(line);
    } else if (/^<\w+$/.test(line)) open = { name: line.slice(1), lines: [] };
    else {
      const [key, value] = cut(line, ' ');
      const disk = key === 'disk' ? /^(\d+) (.*) (\/\S*)$/.exec(value) : null;
      if (disk) disks.push({ freeBytes: Number(disk[1]) * 1024, device: disk[2]!, path: disk[3]! });
      else if (key === 'stray') strayBinaries.push(value);
      else if (key === 'moving' || key === 'arriving') {
        const [id, yes] = cut(value, ' ');
        if (key === 'moving') moves.moving.push({ id, held: yes === '1' });
        else moves.arriving.push({ id, ahead: yes === '1' });
      } else if (key) values.set(key, value);
    }
  }
  return { values, blocks, disks, strayBinaries, moves };
}

function cut(line: string, at: string): [string, string] {
  const index = line.indexOf(at);
  return index < 0 ? [line, ''] : [line.slice(0, index), line.slice(index + 1)];
}
