import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, flag, list, needed, type Options, text } from '../options.ts';
import { type Change, ProbeError, type Resource } from './resource.ts';

export interface PackagesWish {
  /**
   * Names in the repositories of the host. `name=version` asks for that version, as the package manager writes it; without
   * one, whichever is there will do.
   */
  names: readonly string[];
  /** Default: true. False removes them; their configuration stays. */
  present?: boolean;
}

const OPTIONS: Options<PackagesWish> = { names: needed(list(text, 'texts')), present: flag };

/** A package that is asked for. */
export interface Asked {
  name: string;
  version?: string;
}

/** How long another run of apt or dnf is waited for. */
const LOCK_SECONDS = 300;
const APPLY_TIMEOUT_MS = 30 * 60_000;

/**
 * Packages of the host's own package manager, apt or dnf, in one call. A name that other packages provide counts as there
 * when one of those is.
 * @throws PlayError for what no package can be called.
 */
export function packages(wish: PackagesWish): Resource {
  const { names, present = true } = checkedOptions('packages', wish, OPTIONS);
  if (names.length === 0) throw new PlayError('no package is named');
  const asked = names.map((name) => askedFor(name, present));
  return {
    kind: 'packages',
    id: names.join(' '),
    probe: packagesProbe(asked),
    // Other packages bring what they need.
    follows: true,
    compare: ({ stdout }) => diffPackages(parsePackages(stdout), asked, present),
  };
}

function askedFor(text: string, present: boolean): Asked {
  const [, name, version] =
    /^([A-Za-z0-9][A-Za-z0-9+._:-]*[A-Za-z0-9+.])(?:=([A-Za-z0-9][A-Za-z0-9.+:~^-]*))?$/.exec(text) ?? [];
  if (name === undefined || (version !== undefined && !present)) {
    const next = 'A name as apt or dnf lists it, or name=version; no pattern, no file; no version where it is removed.';
    throw new PlayError(`no package is called '${text}'`, { next });
  }
  return version === undefined ? { name } : { name, version };
}

/** What each package manager says of a package: name, name with architecture, version, and what else it provides. */
const DPKG_FORMAT = '${db:Status-Status} ${Package} ${Package}:${Architecture} ${Version} ${Provides}\\n';
const RPM_FORMAT =
  '%{NAME} %{NAME}.%{ARCH} %{VERSION} %{VERSION}-%{RELEASE} %{EPOCHNUM}:%{VERSION}-%{RELEASE}[ %{PROVIDENAME}]\\n';

/** Prints the package manager, then what is installed of those that could be meant. */
function packagesProbe(asked: readonly Asked[]): string {
  const words = asked.map(({ name }) => `-e ${quote(name)}`).join(' ');
  const filter = `LC_ALL=C grep -F ${words}`;
  const dpkg = `dpkg-query -W -f ${quote(DPKG_FORMAT)} | sed -n 's/^installed //p' | ${filter}`;
  const rpm = `rpm -qa --qf ${quote(RPM_FORMAT)} | ${filter}`;
  return `if command -v apt-get >/dev/null; then echo apt; ${dpkg}; elif command -v dnf >/dev/null; then echo dnf; ${rpm}; fi; :`;
}

export interface PackagesState {
  manager: 'apt' | 'dnf' | undefined;
  /** The versions of each installed package, in all ways to write them, by its names. */
  installed: ReadonlyMap<string, readonly string[]>;
  /** Names that installed packages provide beside their own. */
  provided: ReadonlySet<string>;
}

export function parsePackages(text: string): PackagesState {
  const [manager, ...lines] = text.trim().split('\n');
  const installed = new Map<string, string[]>();
  const provided = new Set<string>();
  for (const line of lines) {
    const [name = '', full = '', ...rest] = line.split(/[ ,]+/);
    const versions = rest.splice(0, manager === 'apt' ? 1 : 3);
    for (const one of [name, full]) installed.set(one, [...(installed.get(one) ?? []), ...versions]);
    for (const one of rest) if (/^[^()=<>]+$/.test(one)) provided.add(one);
  }
  return { manager: manager === 'apt' || manager === 'dnf' ? manager : undefined, installed, provided };
}

export function diffPackages(
  { manager, installed, provided }: PackagesState,
  asked: readonly Asked[],
  present: boolean,
): Change | undefined {
  if (!manager) throw new ProbeError('the host has neither apt nor dnf');
  const isThere = ({ name, version }: Asked) => {
    if (version !== undefined) return installed.get(name)?.includes(version) ?? false;
    return installed.has(name) || (present && provided.has(name));
  };
  const due = asked.filter((one) => isThere(one) !== present);
  if (due.length === 0) return undefined;
  const separator = manager === 'apt' ? '=' : '-';
  const words = due.map(({ name, version }) => quote(version === undefined ? name : name + separator + version));
  const apply = manager === 'apt' ? aptScript(words.join(' '), present) : dnfScript(words.join(' '), present);
  const told = due.map(({ name, version }) => {
    const now = installed.get(name)?.at(-1);
    return version === undefined ? name : `${name} ${now ? `${now} → ` : ''}${version}`;
  });
  return { summary: `${present ? 'installed' : 'removed'}: ${told.join(', ')}`, apply, timeoutMs: APPLY_TIMEOUT_MS };
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
  const due = `${apt} ${present ? 'install --no-install-recommends' : 'remove'} -- ${words}`;
  const begun = [
    setting,
    `if said=$(${due} 2>&1); then exit 0; fi`,
    // A run of dpkg that was cut off has to be brought to its end before anything else.
    "case $said in *'dpkg --configure -a'*)",
    '  dpkg --force-confdef --force-confold --configure -a',
    `  if ${due} >/dev/null 2>&1; then exit 0; fi ;;`,
    'esac',
  ];
  if (!present) return [...begun, due].join('\n');
  return [
    ...begun,
    // apt waits for dpkg's lock by itself, but not for that of the lists.
    `n=0; until said=$(${apt} update 2>&1); do`,
    `  case $said in *'Could not get lock'*) ;; *) printf '%s\\n' "$said"; break ;; esac`,
    `  n=$((n + 2)); if [ "$n" -gt ${LOCK_SECONDS} ]; then printf '%s\\n' "$said" >&2; exit 1; fi; sleep 2`,
    'done',
    due,
  ].join('\n');
}

/** dnf waits for its lock by itself. */
function dnfScript(words: string, present: boolean): string {
  return `dnf -q -y --setopt=exit_on_lock=False ${present ? 'install --setopt=install_weak_deps=False' : 'remove'} -- ${words}`;
}
