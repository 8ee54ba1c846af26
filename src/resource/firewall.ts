import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import { checkedOptions, list, needed, type Options, text } from '../options.ts';
import { type Network, network } from './network.ts';
import type { Change, Resource } from './resource.ts';

export interface FirewallWish {
  /** Ports to be reached, such as `2379/tcp`, and ranges of them, such as `30000-32767/tcp`. */
  ports: readonly string[];
  /** Addresses or networks (CIDR) that may reach them. Default: everyone. */
  from?: readonly string[];
}

const OPTIONS: Options<FirewallWish> = { ports: needed(list(text, 'texts')), from: list(text, 'texts') };

type Firewall = 'firewalld' | 'ufw';

/** Ports that are, or are to be, open: for everyone, or from one network. */
export interface Rule {
  first: number;
  last: number;
  protocol: string;
  from?: string;
}

export interface FirewallState {
  active: Firewall | undefined;
  /** What is open now; of firewalld also what will be after a boot. */
  lists: readonly (readonly Rule[])[];
}

/**
 * Ports that a firewall lets through, now and after a boot: firewalld (its default zone) or ufw, whichever is active. No
 * firewall is switched on or off, no rule is taken away; a host without an active one needs nothing, and that is said.
 * @throws PlayError for what is no port or no network.
 */
export function firewall(wish: FirewallWish): Resource {
  const { ports, from } = checkedOptions('firewall', wish, OPTIONS);
  if (ports.length === 0 || from?.length === 0)
    throw new PlayError('a firewall wants at least one port, and one network');
  const networks = from?.map(network);
  const wanted = ports
    .map(portRule)
    .flatMap((rule): Wanted[] => networks?.map((one) => ({ ...rule, network: one })) ?? [rule]);
  return {
    kind: 'firewall',
    id: ports.join(' '),
    probe: PROBE,
    follows: true,
    compare: ({ stdout, pending }) => {
      const actual = parseFirewall(stdout);
      return pending && !actual.active ? MAY_COME : diffFirewall(actual, wanted);
    },
    remark: ({ stdout }) =>
      parseFirewall(stdout).active ? undefined : 'neither firewalld nor ufw is active: nothing to open',
  };
}

/** In check mode, where no firewall is active: what comes before it is not done yet. */
const MAY_COME: Change = {
  summary: 'no firewall is active, but what comes before it may bring one',
  apply: 'exit 1',
  unknown: true,
};

export interface Wanted extends Omit<Rule, 'from'> {
  network?: Network;
}

function portRule(text: string): Wanted {
  const [, first, last = first, protocol = ''] = /^(\d{1,5})(?:-(\d{1,5}))?\/(tcp|udp|sctp)$/.exec(text) ?? [];
  if (first === undefined || Number(first) < 1 || Number(last) > 65_535 || Number(last) < Number(first)) {
    throw new PlayError(`'${text}' is no port: write it as 2379/tcp, or 30000-32767/tcp`);
  }
  return { first: Number(first), last: Number(last), protocol };
}

/**
 * The two lists of firewalld, in force and kept, are printed one after the other. Both firewalls are slow to answer, so
 * they are asked as little as can be.
 */
const PROBE = [
  'if now=$(firewall-cmd --list-all 2>/dev/null); then',
  `  printf 'firewalld\\n%s\\nlist --permanent\\n' "$now"; firewall-cmd --permanent --list-all`,
  `elif ufw status 2>/dev/null | grep -q '^Status: active'; then echo ufw; ufw show added`,
  'else echo none; fi',
].join('\n');

export function parseFirewall(text: string): FirewallState {
  const [active, ...lines] = text.trim().split('\n');
  if (active === 'ufw') return { active, lists: [lines.flatMap(ufwRule)] };
  if (active !== 'firewalld') return { active: undefined, lists: [] };
  const second = lines.lastIndexOf('list --permanent');
  const halves = [lines.slice(0, second), lines.slice(second)];
  return { active, lists: halves.map((half) => half.flatMap(firewalldWords).flatMap(firewalldRule)) };
}

/** A line of `--list-all`: all ports are in one, and each rich rule has its own. */
function firewalldWords(line: string): string[] {
  return /^ *ports: (.*)$/.exec(line)?.[1]?.split(' ') ?? [line.trim()];
}

/** `8000-8100/tcp`, or `rule family="ipv4" source address="10.0.0.0/8" port port="2380" protocol="tcp" accept`. */
function firewalldRule(line: string): Rule[] {
  const rich = /^rule (?:family="\w+" )?(?:source address="([^"]+)" )?port port="([\d-]+)" protocol="(\w+)" accept$/;
  const [, from, range, protocol] = rich.exec(line) ?? /^()([\d-]+)\/(\w+)$/.exec(line) ?? [];
  return range && protocol ? [{ ...ends(range), protocol, ...(from ? { from } : {}) }] : [];
}

/** `ufw allow 8000:8100/tcp`, or `ufw allow from 10.0.0.0/8 to any port 2380 proto tcp`; then perhaps a comment. */
function ufwRule(line: string): Rule[] {
  const plain = /^ufw allow ()([\d:]+)\/(\w+)(?: comment .*)?$/;
  const narrow = /^ufw allow from (\S+) to any port ([\d:]+) proto (\w+)(?: comment .*)?$/;
  const [, from, range, protocol] = plain.exec(line) ?? narrow.exec(line) ?? [];
  return range && protocol ? [{ ...ends(range), protocol, ...(from ? { from } : {}) }] : [];
}

function ends(range: string): { first: number; last: number } {
  const [first = '', last = first] = range.split(/[-:]/);
  return { first: Number(first), last: Number(last) };
}

export function diffFirewall({ active, lists }: FirewallState, wanted: readonly Wanted[]): Change | undefined {
  if (!active) return undefined;
  // firewalld joins ranges that touch, and does not list a port twice that a range has.
  const isIn =
    ({ first, last, protocol, network }: Wanted) =>
    (rule: Rule) =>
      rule.protocol === protocol && rule.from === network?.text && rule.first <= first && last <= rule.last;
  const due = wanted.filter((one) => !lists.every((list) => list.some(isIn(one))));
  if (due.length === 0) return undefined;
  const words = due.map(
    (one) => `${rangeText(one, '-')}/${one.protocol}${one.network ? ` from ${one.network.text}` : ''}`,
  );
  const commands = due.flatMap((one) => (active === 'ufw' ? ufwCommands(one) : firewalldCommands(one)));
  return { summary: `${active} opens ${words.join(', ')}`, apply: commands.join('\n') };
}

function rangeText({ first, last }: Wanted, between: string): string {
  return first === last ? String(first) : `${first}${between}${last}`;
}

function ufwCommands({ network, protocol, ...range }: Wanted): string[] {
  const ports = rangeText({ protocol, ...range }, ':');
  return [
    network
      ? `ufw allow from ${network.text} to any port ${ports} proto ${protocol}`
      : `ufw allow ${ports}/${protocol}`,
  ];
}

function firewalldCommands({ network, protocol, ...range }: Wanted): string[] {
  const ports = rangeText({ protocol, ...range }, '-');
  const option = network
    ? `--add-rich-rule=rule family="${network.family}" source address="${network.text}" port port="${ports}" protocol="${protocol}" accept`
    : `--add-port=${ports}/${protocol}`;
  return ['', '--permanent '].map((kept) => `firewall-cmd -q ${kept}${quote(option)}`);
}
