import { ManyErrors, PlayError } from '../errors.ts';
import { describeCertificate } from '../pki/certificate.ts';
import type { Consumer } from '../pki/consumer.ts';
import type { CertificateProblem, ListedCertificate } from '../pki/listing.ts';
import type { MessageData } from '../runner/events.ts';
import { table } from './tables.ts';
import type { EtcdSettings } from './variables.ts';

const NAMES_WIDTH = 32;

/** A row for each certificate, as wide as 100 columns where names are of the usual length. */
export function certificatesText(dir: string, listed: readonly ListedCertificate[], now: Date): string {
  if (listed.length === 0) return `\n${dir} holds no certificates`;
  const rows = listed.map(({ file, certificate }) => {
    if (!certificate) return [file, '-', '-', '-', ''];
    const { subject, daysLeft, notAfter, sans } = describeCertificate(certificate, now);
    return [file, subject, String(daysLeft), notAfter.toISOString().slice(0, 10), namesText([...sans.dns, ...sans.ip])];
  });
  return `\n${dir}\n${table(['FILE', 'SUBJECT', 'DAYS', 'UNTIL', 'NAMES'], rows)}`;
}

/** As many as have room, and how many there are beyond. */
function namesText(names: readonly string[]): string {
  const shown: string[] = [];
  for (const name of names) {
    if ([...shown, name].join(' ').length > NAMES_WIDTH - 4) break;
    shown.push(name);
  }
  const left = names.length - shown.length;
  return [...shown, ...(left > 0 ? [`+${left}`] : [])].join(' ');
}

/** The same as one object, for monitors. */
export function certificatesRecord(
  dir: string,
  listed: readonly ListedCertificate[],
  problems: readonly CertificateProblem[],
  now: Date,
): MessageData {
  const critical = problems.some(({ severity }) => severity === 'critical');
  const days = listed.flatMap(({ certificate }) =>
    certificate ? [describeCertificate(certificate, now).daysLeft] : [],
  );
  return {
    kind: 'certificates',
    verdict: critical ? 'critical' : problems.length > 0 ? 'warning' : 'ok',
    dir,
    leastDaysLeft: days.length > 0 ? Math.min(...days) : null,
    certificates: listed.map(({ file, kind, certificate }) => {
      if (!certificate) return { file, kind, subject: null };
      const { subject, commonName, daysLeft, notAfter, sans, fingerprint } = describeCertificate(certificate, now);
      const names = [...sans.dns, ...sans.ip];
      const until = notAfter.toISOString();
      return { file, kind, subject, commonName: commonName ?? null, daysLeft, notAfter: until, names, fingerprint };
    }),
    problems: problems.map(({ file, kind, severity, message, next }) => ({ file, kind, severity, message, next })),
  };
}

export function certificatesNotWell(problems: readonly CertificateProblem[]): ManyErrors {
  const errors = problems.map(({ file, message, next }) => new PlayError(message, { file, next }));
  return new ManyErrors(`${errors.length === 1 ? 'One thing is' : `${errors.length} things are`} not well:`, errors);
}

/** What a consumer is given, and how it is used. */
export function consumerText(
  { verdict, certPath, keyPath, caPath, certificate, p12 }: Consumer,
  settings: readonly EtcdSettings[],
): string {
  const { commonName = '', notAfter, daysLeft } = describeCertificate(certificate!);
  const until = `valid until ${notAfter.toISOString().slice(0, 10)}, ${daysLeft} days`;
  const what = { issue: 'issued', renew: 'issued anew', keep: 'is there already', refuse: '' }[verdict.action];
  const endpoints = settings.map((one) => one.advertiseClientUrls[0]!).join(',');
  const tls = `--cacert=${caPath} --cert=${certPath} --key=${keyPath}`;
  return [
    `\nCertificate of ${commonName}: ${what}, ${until}`,
    `  ${certPath}`,
    `  ${keyPath}   (keep it closed)`,
    ...(p12 ? [`  ${p12.path}   (${P12_WORDS[p12.state]})`] : []),
    `  ${caPath}   (the CA, to be trusted)`,
    'With it:',
    `  ETCDCTL_API=3 etcdctl --endpoints=${endpoints} ${tls} get KEY`,
    `Where users must log in, its user is ${commonName}: etcdctl user add ${commonName} --no-password`,
  ].join('\n');
}

const P12_WORDS = {
  written: 'PKCS#12: certificate, key and CA',
  kept: 'PKCS#12, as it was',
  stale: 'PKCS#12, STILL WITH THE OLD CERTIFICATE: -e p12=true -e renew=true',
} as const;
