import { readdirSync } from 'node:fs';
import { rolldown } from 'rolldown';

/** What is started or imported by name; all else goes with them. Node takes long over hundreds of small files. */
const entries = [
  'src/cli/main',
  'src/index',
  'src/etcd/index',
  ...readdirSync('playbooks').map((file) => `playbooks/${file.replace(/\.ts$/, '')}`),
];

const bundle = await rolldown({
  input: Object.fromEntries(entries.map((entry) => [entry, `${entry}.ts`])),
  platform: 'node',
  // What npm installs stays where it is.
  external: /^[^./]/,
});
await bundle.write({
  dir: 'dist',
  cleanDir: true,
  entryFileNames: '[name].js',
  chunkFileNames: 'src/[name].js',
  comments: false,
});
await bundle.close();
