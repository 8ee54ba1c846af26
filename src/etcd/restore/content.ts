import { PlayError } from '../../errors.ts';
import type { MemberApi } from '../grpc/member.ts';

type Asked = Pick<MemberApi, 'status' | 'keyCount' | 'close'>;

/** What a restored cluster must have. */
export interface Content {
  keyCount: bigint;
  revision: bigint;
}

const PAUSE_MS = 200;

/**
 * The keys of the backup are there, and the revision is not behind it. Who is silent says nothing of the data, and is asked
 * again. @throws PlayError where they are not, at once; the error of the last question where no answer comes in time.
 */
export async function checkContent(
  open: () => Promise<Asked>,
  wanted: Content,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const found = await untilTold(open, performance.now() + timeoutMs, signal);
  // Clients may have written since; that keys are missing they cannot have wished so soon.
  if (found.keyCount >= wanted.keyCount && found.revision >= wanted.revision) return;
  throw new PlayError(
    `the restored cluster has ${found.keyCount} keys at revision ${found.revision}, and the backup ${wanted.keyCount} at ${wanted.revision}`,
  );
}

async function untilTold(open: () => Promise<Asked>, deadline: number, signal: AbortSignal): Promise<Content> {
  for (;;) {
    try {
      return await contentOf(await open());
    } catch (error) {
      if (signal.aborted || performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

async function contentOf(api: Asked): Promise<Content> {
  try {
    const { revision } = await api.status();
    return { revision, keyCount: await api.keyCount(revision) };
  } finally {
    api.close();
  }
}
