import { readdir } from 'node:fs/promises';
import { parseVersion } from '../versions.ts';

/** The releases that lie in ETCD_RELEASE_DIR, in either of its two layouts; none where there is no such folder. */
export async function releasesAtHand(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch(() => []);
  const found = names.map((name) => /^etcd-v(\d+\.\d+\.\d+)-linux-\w+\.tar\.gz$/.exec(name)?.[1] ?? name);
  return [...new Set(found.flatMap((name) => (name.startsWith('.') ? [] : (parseVersion(name)?.text ?? []))))];
}
