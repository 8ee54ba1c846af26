import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryCommand } from './command.ts';

/** Module path of each program, from etcd 3.5 on; before that etcd was no set of modules that could be built so. */
const programs = {
  etcd: 'go.etcd.io/etcd/server/v3',
  etcdctl: 'go.etcd.io/etcd/etcdctl/v3',
  etcdutl: 'go.etcd.io/etcd/etcdutl/v3',
};

/**
 * etcd's binaries built from its Go modules, in a throw-away module, where this machine has a Go toolchain. They are static,
 * as in etcd's own releases.
 */
export async function buildWithGo(version: string, folder: string): Promise<{ origin: string } | { cannot: string }> {
  const go = await findGo();
  if (!go) return { cannot: 'there is no Go toolchain on this machine to build it with' };
  const [major, minor] = version.split('.').map(Number);
  if (major !== 3 || minor! < 5) return { cannot: 'etcd before 3.5 cannot be built from Go modules' };
  const work = await mkdtemp(join(tmpdir(), 'etcd-go-'));
  const env = { CGO_ENABLED: '0', GOWORK: 'off' };
  const runGo = (...args: string[]) => tryCommand(go, args, { cwd: work, env });
  try {
    await writeFile(join(work, 'go.mod'), 'module throwaway\n');
    const modules = Object.values(programs).map((path) => `${path}@v${version}`);
    const got = await runGo('get', ...modules);
    if (got.code !== 0) return { cannot: `Go cannot get its modules: ${got.stderr.trim().split('\n').at(-1)}` };
    for (const [program, path] of Object.entries(programs)) {
      const built = await runGo(
        'build',
        '-mod=mod',
        '-trimpath',
        '-ldflags=-s -w',
        '-o',
        join(work, 'out', program),
        path,
      );
      if (built.code !== 0) {
        return { cannot: `Go cannot build ${program}: ${built.stderr.trim().split('\n').slice(-3).join(' / ')}` };
      }
      await tryCommand('mv', [join(work, 'out', program), join(folder, program)]);
      await chmod(join(folder, program), 0o755);
    }
    return { origin: `built from Go modules ${modules[0]}` };
  } finally {
    // Go makes its module folders read-only; ours holds none, since the module cache lies elsewhere.
    await rm(work, { recursive: true, force: true });
  }
}

async function findGo(): Promise<string | undefined> {
  for (const go of ['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go']) {
    const result = await tryCommand(go, ['version']).catch(() => undefined);
    if (result?.code === 0) return go;
  }
  return undefined;
}
