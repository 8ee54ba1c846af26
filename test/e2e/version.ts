/**
 * The etcd that a file's tests run with: its usual one, so that together the files meet all versions, or the one that
 * `ETCD_TEST_VERSION` names, to drive a playbook through another: `ETCD_TEST_VERSION=3.4.23 npx vitest run test/e2e/reload.test.ts`.
 */
export function testVersion(usual: string): string {
  return process.env.ETCD_TEST_VERSION ?? usual;
}

/**
 * The hosts of a file whose tests fit clusters of any size: as many as usual, or as `ETCD_TEST_MEMBERS` says:
 * `ETCD_TEST_MEMBERS=5 npx vitest run test/e2e/upgrade-whole.test.ts`.
 */
export function testHosts(usual: number): string[] {
  const size = Number(process.env.ETCD_TEST_MEMBERS ?? usual);
  if (![1, 2, 3, 4, 5].includes(size)) throw new Error(`ETCD_TEST_MEMBERS must be 1 to 5, not ${size}`);
  return Array.from({ length: size }, (_, at) => `h${at + 1}`);
}
