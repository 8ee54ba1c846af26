/** A line of a script that notes in `$j` where the journal of a unit ends: what it says from then on is told by {@link sinceNoted}. */
export function noteEnd(unit: string): string {
  return `j=$(journalctl -u ${unit} -n 1 --no-pager -o export 2>/dev/null | sed -n 's/^__CURSOR=//p')`;
}

/** The command that gives it. `$j` is empty where the unit had said nothing at all. */
export function sinceNoted(unit: string): string {
  return `journalctl -u ${unit} \${j:+"--after-cursor=$j"} --no-pager -o cat 2>/dev/null`;
}
