import type { X509Certificate } from 'node:crypto';
import { describeCertificate } from './certificate.ts';

const DAY_MS = 86_400_000;
/** Where nobody says when to warn: a month before, or in the last third of a certificate that lives shorter than that. */
export const WARN_DAYS = 30;

export type Expiry = 'good' | 'soon' | 'expired' | 'not yet';

/** How near the end of a certificate is. @param warnDays as somebody has said; undefined: {@link WARN_DAYS}. */
export function expiryOf(certificate: X509Certificate, now: Date, warnDays: number | undefined): Expiry {
  const { notBefore, notAfter } = describeCertificate(certificate, now);
  const leftMs = notAfter.getTime() - now.getTime();
  if (leftMs <= 0) return 'expired';
  if (notBefore > now) return 'not yet';
  const third = (notAfter.getTime() - notBefore.getTime()) / 3;
  const limitMs = warnDays === undefined ? Math.min(WARN_DAYS * DAY_MS, third) : warnDays * DAY_MS;
  return leftMs < limitMs ? 'soon' : 'good';
}

/** `in 12 days, on 2026-12-03`, `2 days ago, on …`. */
export function expiryText(certificate: X509Certificate, now: Date): string {
  const { notAfter } = describeCertificate(certificate, now);
  const days = (notAfter.getTime() - now.getTime()) / DAY_MS;
  const whole = Math.floor(Math.abs(days));
  const amount = whole >= 2 ? `${whole} days` : `${Math.floor(Math.abs(days) * 24)} hours`;
  return `${days > 0 ? `in ${amount}` : `${amount} ago`}, on ${notAfter.toISOString().slice(0, 10)}`;
}

/** Which playbook brings a new one of the cluster's own: it is due by itself, or somebody wants it sooner. */
export function renewalText(certificate: X509Certificate, now: Date): string {
  if (describeCertificate(certificate, now).notAfter <= now) {
    return 'Have it reissued and sent: play reload_etcd. Where no member answers any more: play create_etcd';
  }
  return isInLastThird(certificate, now)
    ? 'Have it reissued and sent: play reload_etcd'
    : 'More than a third of its lifetime is left. To have it reissued all the same: play rotate_certs_etcd';
}

function isInLastThird(certificate: X509Certificate, now: Date): boolean {
  const { notBefore, notAfter } = describeCertificate(certificate, now);
  return (notAfter.getTime() - now.getTime()) * 3 < notAfter.getTime() - notBefore.getTime();
}
