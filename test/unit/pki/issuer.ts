// A process of its own for the tests of interruption and of several runs at once: `issuer.ts DIR ROUNDS HOSTS`.
// Each round asks for other names, so that every leaf is issued again.
import { ensurePki } from '../../../src/pki/store.ts';

const [, , dir = '', rounds = '1', hosts = '3'] = process.argv;
// One that is to be killed has the library loaded first, so that the moments that count make up most of its life.
if (Number(rounds) > 1) await import('../../../src/pki/issue.ts');
process.stdout.write('started\n');
for (let round = 0; round < Number(rounds); round++) {
  await ensurePki({
    dir,
    keyAlgorithm: 'ecdsa-p256',
    lifetimeMs: 86_400_000,
    caCommonName: 'etcd-ca',
    wishes: Array.from({ length: Number(hosts) }, (_, i) => ({
      id: `etcd-h${i + 1}`,
      commonName: `etcd-h${i + 1}`,
      usage: ['server', 'client'],
      sans: { dns: [`h${i + 1}`, ...(round === 0 ? [] : [`round-${round}`])], ip: ['127.0.0.1'] },
    })),
  });
}
// reflect-metadata, which comes with the library, leaves its mark on Reflect.
if ('getMetadata' in Reflect) process.stdout.write('library loaded\n');
