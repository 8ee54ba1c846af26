import { parseEnvironmentFile, trustedCaSum } from '../configuration.ts';
import { configurationOf, type SeenHost } from '../plan/seen.ts';
import { differing } from '../plan/sight.ts';

const CA_SUM = 'PLAY_TRUSTED_CA';

/** Settings of etcd.conf that are not as the inventory wants them. */
export function configurationDrift(seen: SeenHost): string[] {
  const found = configurationOf(seen);
  if (!found) return [];
  return differing(found, parseEnvironmentFile(seen.wanted)).filter((name) => name !== CA_SUM);
}

/** Settings of the running process that are not as on disk. */
export function processDrift(seen: SeenHost): string[] {
  const { running } = seen.facts;
  const found = configurationOf(seen);
  if (!running || !found) return [];
  return differing(running.environment, found).filter((name) => name !== CA_SUM);
}

export function runsOtherBinary({ facts: { running, binaryTarget } }: SeenHost): boolean {
  return running !== undefined && binaryTarget !== '' && running.binary !== binaryTarget;
}

/** Whether the process has read another CA file than lies there now; one that does not tell has no such name. */
export function trustsOtherCa({ facts: { running, ca } }: SeenHost): boolean {
  const sum = running?.environment.get(CA_SUM);
  return sum !== undefined && ca !== undefined && sum !== trustedCaSum(ca);
}
