import { join } from 'node:path';
import { releasesDir } from './places.ts';
import { labDir } from './state.ts';

/** The variables a playbook of etcd-play needs to work in a lab: which release, from where, and a home for certificates. */
export function etcdVars(lab: string, version = '3.5.16'): Record<string, string> {
  return {
    ETCD_VERSION: version,
    ETCD_RELEASE_DIR: releasesDir,
    CERT_LOCAL_DIR: join(labDir(lab), 'pki'),
  };
}
