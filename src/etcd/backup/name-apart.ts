import { link, open, rename, rm } from 'node:fs/promises';
import { join, parse } from 'node:path';

/** Of file systems that know no second name of a file. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);

/**
 * Gives a whole file this name, and never that of another file: where two runs come to one name at the same moment, the second is told
 * apart by a number, as in `name-2.jsonl`. Gives the path it has got; `part` may stay behind.
 */
export async function nameApart(part: string, path: string): Promise<string> {
  const { dir, name, ext } = parse(path);
  for (let n = 1; ; n++) {
    const to = n === 1 ? path : join(dir, `${name}-${n}${ext}`);
    if (await claimName(part, to)) return to;
  }
}

/** Gives a whole file this name unless it is taken: of several that come to it at one moment one gets it. `part` may stay behind. */
export async function claimName(part: string, to: string): Promise<boolean> {
  try {
    await link(part, to).catch((error) => claimed(error, part, to));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

/** The name is taken by an empty file first: who comes later finds it taken. */
async function claimed(error: NodeJS.ErrnoException, part: string, to: string): Promise<void> {
  if (!NO_LINKS.has(error.code ?? '')) throw error;
  await (await open(to, 'wx', 0o600)).close();
  await rename(part, to).catch(async (cause: unknown) => {
    await rm(to, { force: true });
    throw cause;
  });
}
