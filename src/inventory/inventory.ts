/** Where a variable was written, so that a complaint about its value can name the place. */
export interface Origin {
  file: string;
  line: number;
  /** Whose variable it is: `group etcd`, `host h1` or `command line`. */
  scope: string;
}

export interface Variable {
  name: string;
  /**
   * The value as Ansible types it: string, number, bigint (an integer beyond ±(2^53 − 1)), boolean, null, array (list,
   * tuple or set) or plain object (dict, keys as JSON writes them), or, for what comes from a vault, a `Secret`, in which a
   * number is its text. A Python float and int are both a number here, so
   * `1.0` is `1`: whoever needs the spelling takes `raw`.
   */
  value: unknown;
  /** The text as written, trimmed; quotes are kept in a `:vars` section and taken off (by the shell rules) on a host line. */
  raw: string;
  origin: Origin;
}

/** Something that is read as Ansible reads it, but hardly as its author meant it. */
export interface Warning {
  message: string;
  file: string;
  line: number;
}

export interface Host {
  name: string;
  /** The port of `host:port`. It is the variable `ansible_port` too, which a later line may override. */
  port?: number;
  vars: Map<string, Variable>;
  /** Groups that list this host themselves, in the order in which they did. */
  groups: string[];
}

export interface Group {
  name: string;
  /** Hosts listed in the group itself, not those of its children. */
  hosts: string[];
  children: string[];
  vars: Map<string, Variable>;
  /** `ansible_group_priority` (1 unless set): among groups of the same depth the higher one wins. */
  priority: number;
  /** Longest way from `all`: the deeper group wins. */
  depth: number;
}

export interface Inventory {
  hosts: ReadonlyMap<string, Host>;
  /** `all` and `ungrouped` are always there. */
  groups: ReadonlyMap<string, Group>;
  warnings: readonly Warning[];
  sources: readonly string[];
  /** Hosts of a group and of its descendants, each once, in Ansible's order: breadth first. Empty for an unknown group. */
  hostsOf(group: string): string[];
  /** All groups a host is in, directly or through children: least specific first, so that later ones override earlier ones. */
  groupsOf(host: string): string[];
  /** Variables of a group alone: its own, and those of its files. */
  groupVarsOf(group: string): Map<string, Variable>;
  /**
   * Variables of a host after precedence: `all`, then groups as {@link groupsOf} orders them, then the host's own; with
   * variable files and `-e` between and above them as in `withLayers`.
   */
  varsOf(host: string): Map<string, Variable>;
}
