/**
 * The etcd that a file's tests run with: its usual one, so that together the files meet all versions, or the one that
 * `ETCD_TEST_VERSION` names, to drive a playbook through another: `ETCD_TEST_VERSION=3.4.23 npx vitest run test/e2e/reload.test.ts`.
 */
export function testVersion(usual: string): string {
  return process.env.ETCD_TEST_VERSION ?? usual;
}
