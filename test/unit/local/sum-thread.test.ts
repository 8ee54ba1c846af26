import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const at = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

it('is waited for by a process that has nothing else to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sum-'));
  try {
    const file = join(folder, 'big');
    const bytes = Buffer.alloc(96 << 20, 7);
    writeFileSync(file, bytes);
    const script = [
      "import { openSync } from 'node:fs';",
      `import { createJiti } from ${JSON.stringify(import.meta.resolve('jiti'))};`,
      `const { SumThread } = await createJiti(import.meta.url).import(${JSON.stringify(at('src/local/sum-thread.ts'))});`,
      `const sum = new SumThread(openSync(${JSON.stringify(file)}));`,
      `sum.of(0, ${bytes.length}).then(({ sha256 }) => console.log(sha256));`,
    ];
    const program = join(folder, 'program.mjs');
    writeFileSync(program, script.join('\n'));
    const { stdout } = await run(process.execPath, [program]);
    expect(stdout.trim()).toBe(createHash('sha256').update(bytes).digest('hex'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
