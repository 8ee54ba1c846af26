import { PlayError } from '../../errors.ts';

export function noIdentityError(certLocalDir: string): PlayError {
  return new PlayError(`there is no client certificate of a cluster in ${certLocalDir}`, {
    next: 'Set CERT_LOCAL_DIR to the folder the cluster was made with (ca.pem, client.pem, client-key.pem), or make a cluster: play create_etcd.',
  });
}

export function noLeaderError(reason: string): PlayError {
  return new PlayError(reason, { next: 'See how the cluster stands: play status_etcd. Then run again.' });
}
