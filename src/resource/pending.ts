import type { Resource } from './resource.ts';

/** Something that is known to be due, but cannot be looked at yet: check mode says so rather than guess. */
export function pending(kind: string, id: string, summary: string): Resource {
  return {
    kind,
    id,
    compare: () => ({ summary, apply: `echo 'not at hand: this is only for check mode' >&2; exit 1` }),
  };
}
