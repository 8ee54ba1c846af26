import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** What a host or a process is waited for takes as long as the machine is slow. */
const PATIENT = { expect: { poll: { timeout: 20_000 } } };

export default defineConfig({
  resolve: {
    alias: {
      'etcd-play/etcd': fileURLToPath(new URL('src/etcd/index.ts', import.meta.url)),
      'etcd-play': fileURLToPath(new URL('src/index.ts', import.meta.url)),
    },
  },
  test: {
    globalSetup: './test/setup.ts',
    reporters: ['default', './test/summary.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          ...PATIENT,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          ...PATIENT,
        },
      },
    ],
    maxWorkers: 2,
  },
});
