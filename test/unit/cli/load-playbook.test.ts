import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { searchFolders } from '../../../src/cli/folders.ts';
import { loadPlaybook, playbooksIn } from '../../../src/cli/load-playbook.ts';
import { InputError } from '../../../src/errors.ts';
import { PACKAGE_ROOT } from '../../../src/package-root.ts';

let folder: string;
const cache = process.env.XDG_CACHE_HOME;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'playbooks-'));
  process.env.XDG_CACHE_HOME = join(folder, 'cache');
});
afterAll(() => {
  if (cache === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = cache;
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}
const plain = (name: string) => `export default { name: '${name}', description: '', hosts: 'all', plays: () => [] };`;
const typed = (name: string) => `
  import { InputError, playbook } from 'etcd-play';
  const name: string = '${name}';
  export default playbook({ name, description: '', hosts: 'all', plays() { throw new InputError('mine'); } });`;

describe('a playbook', () => {
  it('is found by its name in the first folder that has it', async () => {
    write('one/motd.mjs', plain('one'));
    write('two/motd.mjs', plain('two'));
    write('two/other.mjs', plain('other'));
    const folders = ['missing', 'one', 'two'].map((name) => join(folder, name));
    expect((await loadPlaybook('motd', folders)).name).toBe('one');
    expect((await loadPlaybook('other', folders)).name).toBe('other');
  });

  it('is found by its path, with its ending or without', async () => {
    const path = write('by/path.mjs', plain('by path'));
    for (const name of [path, path.replace('.mjs', ''), relative(process.cwd(), path)]) {
      expect((await loadPlaybook(name, [])).name).toBe('by path');
    }
  });

  it('may be written in TypeScript as it is, and shares its errors with the library', async () => {
    const path = write('typed/t.ts', typed('typed'));
    const loaded = await loadPlaybook(path, []);
    expect(loaded.name).toBe('typed');
    expect(() => loaded.plays({} as never)).toThrow(InputError);
  });

  it('may import its own files beside it', async () => {
    write('parts/part.ts', `export const name = 'of parts';`);
    const path = write(
      'parts/t.ts',
      `import { name } from './part.ts';\nexport default { name, description: '', hosts: 'all', plays: () => [] };`,
    );
    expect((await loadPlaybook(path, [])).name).toBe('of parts');
  });

  it('that is not there is an error that names those that are', async () => {
    const folders = [join(folder, 'two')];
    await expect(loadPlaybook('creat_etcd', folders)).rejects.toMatchObject({
      message: 'there is no playbook creat_etcd',
      next: `There are: motd, other. Looked in: ${folders[0]}`,
    });
    await expect(loadPlaybook('modt', folders)).rejects.toMatchObject({
      next: `Did you mean motd? There are: motd, other. Looked in: ${folders[0]}`,
    });
    await expect(loadPlaybook('./nowhere.ts', folders)).rejects.toMatchObject({ next: 'Check the path.' });
  });

  it.each([
    ['exports nothing', 'export {};'],
    ['exports something else', 'export default 7;'],
    ['has no plays', `export default { name: 'x' };`],
  ])('file that %s is an error of the input, with its name', async (title, text) => {
    const file = write(`bad/${title.replaceAll(' ', '-')}.mjs`, text);
    await expect(loadPlaybook(file, [])).rejects.toMatchObject({ name: 'InputError', file });
  });

  it.each<[string, string, Record<string, unknown>]>([
    [
      'is no TypeScript',
      `export default {\n  name: 'x'\n  hosts: 'all',\n};`,
      { message: 'this is no TypeScript: Unexpected token, expected ","', line: 3, code: "  hosts: 'all'," },
    ],
    [
      'imports a file that is not there',
      `import { play } from 'etcd-play';\nimport { x } from './nowhere.ts';\nplay(x);`,
      { message: "there is no './nowhere.ts' to import", line: 2, code: "import { x } from './nowhere.ts';" },
    ],
    [
      'imports a package that is not there',
      `import x from 'surely-nowhere';\nx();`,
      { line: 1, next: 'Install it where the playbook stands: npm install surely-nowhere' },
    ],
    [
      'imports what the library does not have',
      `import {\n  playbook,\n  stepp as other,\n} from 'etcd-play';\nother();`,
      { message: "'etcd-play' has no 'stepp'", line: 3, code: '  stepp as other,', next: 'Did you mean step?' },
    ],
    [
      'has an option that no playbook has',
      `import { playbook } from 'etcd-play';\nexport default playbook({\n  name: 'x',\n  description: '',\n  hosst: 'all' });`,
      { message: "playbook has no option 'hosst'", line: 2, next: 'Did you mean hosts?' },
    ],
    [
      'fails while it is read',
      `interface A {\n  a: string;\n}\nconst a = undefined as unknown as A;\nexport default { x: a.a };`,
      {
        message: "TypeError: Cannot read properties of undefined (reading 'a')",
        line: 5,
        code: 'export default { x: a.a };',
      },
    ],
  ])('that %s is an error of the input, which shows the line', async (title, text, words) => {
    for (const ending of ['ts', 'mjs']) {
      if (ending === 'mjs' && text.includes('interface')) continue;
      const file = write(`bad/${title.replaceAll(' ', '-')}.${ending}`, text);
      await expect(loadPlaybook(file, [])).rejects.toMatchObject({ name: 'InputError', file, ...words });
    }
  });

  it('whose own import is no TypeScript is told with the file that is at fault', async () => {
    const part = write('far/part.ts', 'export const a = ;');
    const path = write('far/t.ts', `import { a } from './part.ts';\nexport default { a };`);
    await expect(loadPlaybook(path, [])).rejects.toMatchObject({ file: part, line: 1, code: 'export const a = ;' });
  });

  it('is not a folder of its name', async () => {
    mkdirSync(join(folder, 'dirs/site'), { recursive: true });
    write('dirs/site.mjs', plain('a file'));
    expect((await loadPlaybook('site', [join(folder, 'dirs')])).name).toBe('a file');
  });
});

describe('the playbooks of a folder', () => {
  it('are those with an ending of code, without declarations', () => {
    for (const name of ['a.ts', 'b.mjs', 'c.js', 'd.mts', 'e.d.ts', 'notes.md', 'f.js.map']) write(`list/${name}`, '');
    expect(playbooksIn(join(folder, 'list')).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are none where there is no folder', () => {
    expect(playbooksIn(join(folder, 'missing'))).toEqual([]);
  });
});

describe('the folders that are searched', () => {
  it("are the working directory's, those beside the inventories and the package's own, each once", () => {
    const own = join(process.cwd(), 'playbooks');
    expect(searchFolders('playbooks', ['/inv', '/inv', process.cwd()])).toEqual([
      own,
      '/inv/playbooks',
      ...(PACKAGE_ROOT === process.cwd() ? [] : [join(PACKAGE_ROOT, 'playbooks')]),
    ]);
  });

  it("hold the package's own playbooks and templates", async () => {
    expect(readdirSync(PACKAGE_ROOT)).toEqual(expect.arrayContaining(['package.json', 'playbooks', 'templates']));
    expect((await loadPlaybook('create_etcd', searchFolders('playbooks', []))).name).toBe('create_etcd');
  });

  it("hold the package's own playbooks also where they are reached by a link", async () => {
    symlinkSync(join(PACKAGE_ROOT, 'playbooks'), join(folder, 'linked'));
    expect((await loadPlaybook('create_etcd', [join(folder, 'linked')])).name).toBe('create_etcd');
  });
});
