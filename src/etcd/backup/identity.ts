import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CA_CERT_FILES } from '../../pki/wish.ts';
import { clientIdentity } from '../certificates.ts';
import type { ClientIdentity } from '../client.ts';

/**
 * What a backup needs to ask members: the client's certificate and key, and the CA's certificate. Not the CA's key: a
 * machine that only takes backups should not hold it. Undefined where one of the three is missing.
 */
export function backupIdentity(certLocalDir: string): ClientIdentity | undefined {
  const ca = CA_CERT_FILES.map((name) => join(certLocalDir, name)).find((file) => existsSync(file));
  return clientIdentity(certLocalDir, ca && readFileSync(ca, 'utf8'));
}
