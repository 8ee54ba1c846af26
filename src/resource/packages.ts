import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface PackagesWish {
  /** Names in the repositories of the host. */
  names: readonly string[];
  /** Default: true. False removes them; their configuration stays. */
  present?: boolean;
}

/** How long another run of apt or dnf is waited for. */
const LOCK_SECONDS = 300;
const APPLY_TIMEOUT_MS = 30 * 60_000;

/**
 * Packages of the host's own package manager, apt or dnf, in one call. Which version is there does not matter.
 * @throws PlayError for a name that no package has.
 */
export function packages({ names, present = true }: PackagesWish): Resource {
  const wrong = names.find((name) => !/^[A-Za-z0-9][A-Za-z0-9+._:-]*[A-Za-z0-9+.]$/.test(name));
  if (wrong !== undefined || names.length === 0) {
    const next = 'The name alone, as apt or dnf lists it; no version, no pattern, no file.';
    throw new PlayError(names.length === 0 ? 'no package is named' : `no package is called '${wrong}'`, { next });
  }
  return {
    kind: 'packages',
    id: names.join(' '),
    probe: packagesProbe(names),
    compare: ({ stdout }) => diffPackages(parsePackages(stdout), { names, present }),
  };
}

/** Prints the package manager, then each package that is installed. */
function packagesProbe(names: readonly string[]): string {
  const words = names.map(quote).join(' ');
  const dpkg = `dpkg-query -W -f '\${db:Status-Status} \${Package} \${Package}:\${Architecture}\\n' -- ${words} 2>/dev/null | sed -n 's/^installed //p'`;
  const rpm = `for n in ${words}; do if rpm -q --whatprovides -- "$n" >/dev/null 2>&1; then echo "$n"; fi; done`;
  return `if command -v apt-get >/dev/null; then echo apt; ${dpkg}; elif command -v dnf >/dev/null; then echo dnf; ${rpm}; fi`;
}

export interface PackagesState {
  manager: 'apt' | 'dnf' | undefined;
  installed: ReadonlySet<string>;
}

export function parsePackages(text: string): PackagesState {
  const [manager, ...lines] = text.trim().split('\n');
  const installed = new Set(lines.flatMap((line) => line.split(' ')));
  return { manager: manager === 'apt' || manager === 'dnf' ? manager : undefined, installed };
}

export function diffPackages(
  { manager, installed }: PackagesState,
  { names, present = true }: PackagesWish,
): Change | undefined {
  if (!manager) throw new ProbeError('the host has neither apt nor dnf');
  const due = names.filter((name) => installed.has(name) !== present);
  if (due.length === 0) return undefined;
  const words = due.map(quote).join(' ');
  const apply = manager === 'apt' ? aptScript(words, present) : dnfScript(words, present);
  return { summary: `${present ? 'new' : 'removed'}: ${due.join(', ')}`, apply, timeoutMs: APPLY_TIMEOUT_MS };
}

/** The lists are only fetched when a package is not found by those that are there: a mirror is asked as little as can be. */
function aptScript(words: string, present: boolean): string {
  const options = [
    `DPkg::Lock::Timeout=${LOCK_SECONDS}`,
    // A name is a name, not a pattern.
    'APT::Cmd::Pattern-Only=true',
    'Dpkg::Options::=--force-confdef',
    'Dpkg::Options::=--force-confold',
  ];
  const apt = `apt-get -q -y ${options.map((option) => `-o ${option}`).join(' ')}`;
  const setting = 'export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l APT_LISTCHANGES_FRONTEND=none';
  if (!present) return `${setting}\n${apt} remove -- ${words}`;
  return [
    setting,
    `if ${apt} install --no-install-recommends -- ${words} >/dev/null 2>&1; then exit 0; fi`,
    // apt waits for dpkg's lock by itself, but not for that of the lists.
    `n=0; until said=$(${apt} update 2>&1); do`,
    `  case $said in *'Could not get lock'*) ;; *) printf '%s\\n' "$said"; break ;; esac`,
    `  n=$((n + 2)); if [ "$n" -gt ${LOCK_SECONDS} ]; then printf '%s\\n' "$said" >&2; exit 1; fi; sleep 2`,
    'done',
    `${apt} install --no-install-recommends -- ${words}`,
  ].join('\n');
}

/** dnf waits for its lock by itself. */
function dnfScript(words: string, present: boolean): string {
  return `dnf -q -y --setopt=exit_on_lock=False ${present ? 'install --setopt=install_weak_deps=False' : 'remove'} -- ${words}`;
}
