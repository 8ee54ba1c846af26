import type { X509Certificate } from 'node:crypto';
import { isIssuedBy } from '../../pki/certificate.ts';
import { type Expiry, expiryOf, expiryText, renewalText } from '../../pki/expiry.ts';
import type { CertificateSight } from './certificates.ts';
import type { Problem, Severity } from './problem.ts';
import type { StatusSight } from './sight.ts';

export function certificateProblems(one: CertificateSight, sight: StatusSight): Problem[] {
  const { host, kind, served, onHost, here } = one;
  const { now, warnDays, authorities } = sight;
  const inUse = served ?? onHost;
  const problems: Problem[] = [];
  const say = (word: string, severity: Severity, message: string, next: string) =>
    problems.push({ kind: `certificate-${word}`, severity, host, message, next });
  const reissue = 'Have it reissued and sent: play reload_etcd';
  if (inUse) {
    const expiry = expiryOf(inUse, now, warnDays);
    if (expiry !== 'good') {
      const message = `its ${kind} certificate ${ENDS[expiry]} ${expiryText(inUse, now)}`;
      if (expiry === 'not yet') say('not-yet', 'critical', `its ${kind} certificate is not valid yet`, reissue);
      else
        say(
          expiry === 'soon' ? 'expires' : 'expired',
          expiry === 'soon' ? 'warning' : 'critical',
          message,
          renewalText(inUse, now),
        );
    }
    if (!authorities.some((ca) => isIssuedBy(inUse, ca))) {
      const message = `its ${kind} certificate was not issued by the CA in CERT_LOCAL_DIR`;
      say('issuer', 'critical', message, 'Use the CERT_LOCAL_DIR the cluster was made with, or: play reload_etcd');
    }
  }
  if (served && onHost && !same(served, onHost)) {
    const message = `it serves another ${kind} certificate than lies on its disk`;
    say('served', 'warning', message, 'Its process uses other files than etcd.conf says: play reload_etcd');
  }
  if (onHost && here && !same(onHost, here)) {
    const message = `its ${kind} certificate is not the one in CERT_LOCAL_DIR`;
    say('differs', 'warning', message, 'Send it: play reload_etcd');
  }
  const due = sight.due.get(`${host} ${kind}`);
  if (here && due !== undefined && expiryOf(here, now, warnDays) !== 'expired') {
    say('due', 'warning', `its ${kind} certificate is to be reissued: ${due}`, reissue);
  }
  return problems;
}

const ENDS: Record<Exclude<Expiry, 'good'>, string> = { soon: 'ends', expired: 'expired', 'not yet': 'begins' };

export function authorityProblems({ authorities, now, warnDays }: StatusSight): Problem[] {
  return authorities.flatMap((ca): Problem[] => {
    const expiry = expiryOf(ca, now, warnDays);
    if (expiry === 'good') return [];
    return [
      {
        kind: expiry === 'expired' ? 'ca-expired' : 'ca-expires',
        severity: expiry === 'expired' ? 'critical' : 'warning',
        message: `the CA ${ENDS[expiry]} ${expiryText(ca, now)}`,
        next:
          expiry === 'expired'
            ? 'Members refuse each other until it is replaced: play rotate_certs_etcd -e ca=true -e outage=accept'
            : 'Change it without an outage: play rotate_certs_etcd -e ca=true',
      },
    ];
  });
}

const same = (a: X509Certificate, b: X509Certificate) => a.fingerprint256 === b.fingerprint256;
