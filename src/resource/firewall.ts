import { isIP } from 'node:net';
import { quote } from '../connection/quote.ts';
import { PlayError } from '../errors.ts';
import type { Change, Resource } from './resource.ts';

export interface FirewallWish {
  /** Ports to be reached, such as `2379/tcp`. */
  ports: readonly string[];
  /** Addresses or networks (CIDR) that may reach them. Default: everyone. */
  from?: readonly string[];
}

type Firewall = 'firewalld' | 'ufw';

export interface FirewallState {
  active: Firewall | undefined;
  /** Rules as the firewall lists them; of firewalld those that are in force and kept. */
  rules: ReadonlySet<string>;
}

/**
 * Ports that a firewall lets through, now and after a boot: firewalld (its default zone) or ufw, whichever is active. No
 * firewall is switched on or off, no rule is taken away; a host without an active one needs nothing, and that is said.
 * @throws PlayError for what is no port or no network.
 */
export function firewall({ ports, from = [] }: FirewallWish): Resource {
  for (const port of ports) {
    const [, number] = /^(\d{1,5})\/(tcp|udp)$/.exec(port) ?? [];
    if (number === undefined || Number(number) < 1 || Number(number) > 65_535) {
      throw new PlayError(`'${port}' is no port: write it as 2379/tcp`);
    }
  }
  for (const one of from) {
    const [address = '', bits] = one.split('/');
    if (isIP(address) === 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) {
      throw new PlayError(`'${one}' is no address or network: write it as 10.0.0.0/8`);
    }
  }
  return {
    kind: 'firewall',
    id: ports.join(' '),
    probe: PROBE,
    follows: true,
    compare: ({ stdout }) => diffFirewall(parseFirewall(stdout), { ports, from }),
    remark: ({ stdout }) =>
      parseFirewall(stdout).active ? undefined : 'neither firewalld nor ufw is active: nothing to open',
  };
}

/** A rule of firewalld counts when it is both in force and kept: the lists are printed one after the other. */
const PROBE = [
  `if [ "$(firewall-cmd --state 2>/dev/null)" = running ]; then echo firewalld`,
  `  for kept in '' --permanent; do echo "list $kept"; firewall-cmd $kept --list-ports | tr ' ' '\\n'; firewall-cmd $kept --list-rich-rules; done`,
  `elif ufw status 2>/dev/null | grep -q '^Status: active'; then echo ufw; ufw show added`,
  'else echo none; fi',
].join('\n');

export function parseFirewall(text: string): FirewallState {
  const [name, ...lines] = text.trim().split('\n');
  if (name === 'ufw') return { active: name, rules: new Set(lines.map((line) => line.trim())) };
  if (name !== 'firewalld') return { active: undefined, rules: new Set() };
  const second = lines.lastIndexOf('list --permanent');
  const inForce = new Set(lines.slice(0, second));
  return { active: name, rules: new Set(lines.slice(second + 1).filter((line) => inForce.has(line))) };
}

export function diffFirewall({ active, rules }: FirewallState, { ports, from = [] }: FirewallWish): Change | undefined {
  if (!active) return undefined;
  const wanted = ports.flatMap((port) => (from.length > 0 ? from.map((one) => ({ port, from: one })) : [{ port }]));
  const due = wanted.filter((rule) => !rules.has(ruleText(active, rule)));
  if (due.length === 0) return undefined;
  const commands = due.flatMap((rule) => openingCommands(active, rule));
  const words = due.map(({ port, from: one }: Rule) => (one ? `${port} from ${one}` : port));
  return { summary: `${active} opens ${words.join(', ')}`, apply: commands.join('\n') };
}

interface Rule {
  port: string;
  from?: string;
}

/** The rule as the firewall lists it. */
function ruleText(active: Firewall, { port, from }: Rule): string {
  const [number, protocol] = port.split('/');
  if (active === 'ufw') return `ufw ${ufwWords({ port, ...(from ? { from } : {}) }).join(' ')}`;
  if (!from) return port;
  const family = isIP(from.split('/')[0]!) === 6 ? 'ipv6' : 'ipv4';
  return `rule family="${family}" source address="${from}" port port="${number}" protocol="${protocol}" accept`;
}

function ufwWords({ port, from }: Rule): string[] {
  const [number, protocol] = port.split('/');
  return from ? ['allow', 'from', from, 'to', 'any', 'port', number!, 'proto', protocol!] : ['allow', port];
}

function openingCommands(active: Firewall, rule: Rule): string[] {
  if (active === 'ufw') return [`ufw ${ufwWords(rule).map(quote).join(' ')}`];
  const option = rule.from ? `--add-rich-rule=${ruleText(active, rule)}` : `--add-port=${rule.port}`;
  return ['', '--permanent '].map((kept) => `firewall-cmd -q ${kept}${quote(option)}`);
}
