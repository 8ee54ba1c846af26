import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { etcdVars } from './etcd-vars.ts';
import { openLab } from './lab.ts';
import { projectDir } from './places.ts';
import { ensureRelease } from './releases.ts';
import { showStatus } from './show-status.ts';

const VERSION = '3.5.16';

/** `npm run demo`: three real hosts on this machine, and a cluster made on them as any user would make it. */
async function demo(): Promise<number> {
  const note = (text: string) => console.error(text);
  note('Booting three hosts (the first time this builds their root file system: about half a minute) …');
  const inventory = join(projectDir, 'inventory', 'lab.ini');
  await ensureRelease(VERSION);
  const lab = await openLab({ name: 'lab', hosts: 3, inventory, vars: etcdVars('lab', VERSION), note });
  console.log(showStatus(await lab.status()));
  console.log('\n$ play create_etcd -i inventory/lab.ini');
  const code = await play(['create_etcd', '-i', 'inventory/lab.ini']);
  console.log(
    [
      '',
      'Run it again and see that nothing changes:  node dist/src/cli/main.js create_etcd -i inventory/lab.ini',
      'Look at a host:                             npm run lab -- ssh h1',
      'Take the hosts down:                        npm run lab -- down',
    ].join('\n'),
  );
  return code;
}

function play(words: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const main = join(projectDir, 'dist', 'src', 'cli', 'main.js');
    const child = spawn(process.execPath, [main, ...words], { cwd: projectDir, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

process.exitCode = await demo();
