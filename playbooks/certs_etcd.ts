import { InputError, once, play, playbook, type Secret, variable } from 'etcd-play';
import {
  CLIENT_ID,
  type Consumer,
  type ConsumerRequest,
  certificatesNotWell,
  certificatesRecord,
  certificatesText,
  checkOpenssl,
  consumerText,
  etcdVariables,
  inspectConsumer,
  issueConsumer,
  judgeCertificates,
  LEAST_PASSWORD_LENGTH,
  listCertificates,
  peerId,
  readClusterSettings,
  serverId,
} from 'etcd-play/etcd';

const LISTING = 'Listing';
const ISSUING = 'A certificate for a consumer';
const DAY_MS = 86_400_000;

export default playbook({
  name: 'certs_etcd',
  description: "list the cluster's certificates with days left, or issue one for a consumer: -e cn=NAME",
  hosts: 'etcd',
  alsoReads: etcdVariables,
  // It works on this machine alone.
  lock: false,
  variables: {
    warn_days: variable.integer('Certificates that end within so many days are not well.', {
      section: LISTING,
      otherwise: '30; the last third of a certificate that lives less than 90 days',
      max: 36_500,
    }),
    format: variable.oneOf(['text', 'json'], 'A table, or one line of JSON.', { section: LISTING, default: 'text' }),
    cn: variable.text("The consumer's name: its user, where users must log in.", {
      section: ISSUING,
      otherwise: 'certificates are listed',
      example: 'orders',
    }),
    names: variable.list('DNS names and addresses that it is valid for: a client needs none.', {
      section: ISSUING,
      otherwise: 'none, or those of the one that is there',
    }),
    days: variable.integer('How long it is valid.', {
      section: ISSUING,
      otherwise: 'CERT_EXPIRY',
      min: 1,
      max: 36_500,
    }),
    p12: variable.flag('Write a PKCS#12 file, too.', { section: ISSUING, default: false }),
    p12_password: variable.secret('What closes the PKCS#12 file: from a vault, or -e @FILE.', {
      section: ISSUING,
      otherwise: 'it is asked for',
    }),
    renew: variable.flag('Replace a certificate that is still valid.', { section: ISSUING, default: false }),
  },

  async *plays(run) {
    const settings = [
      ...readClusterSettings(
        run.allHosts.map((host) => ({ host, vars: run.varsOf(host).values() })),
        run.inventoryDir,
        ({ message, file, line }) => run.say(file ? `${file}:${line}: ${message}` : message, 'warning'),
      ).values(),
    ];
    const { certLocalDir, certExpiryMs, keyAlgorithm } = settings[0]!;
    const [cn, days, p12] = [run.value('cn'), run.value('days'), run.value('p12')];

    if (cn === undefined) {
      const stray = (['names', 'days'] as const).filter((name) => run.value(name) !== undefined);
      if (p12 || run.value('renew') || stray.length > 0) {
        throw new InputError('it is not said for whom the certificate is', { next: 'Add its name: -e cn=NAME' });
      }
      let problems: ReturnType<typeof judgeCertificates> = [];
      yield play('Certificates', {
        hosts: [],
        tasks: [
          once(
            'Certificates are listed',
            async () => {
              const members = settings.flatMap(({ name }) => [serverId(name), peerId(name)]);
              const listed = await listCertificates(certLocalDir, { members, client: CLIENT_ID });
              const now = new Date();
              problems = judgeCertificates(listed, { now, warnDays: run.value('warn_days') });
              const record = certificatesRecord(certLocalDir, listed, problems, now);
              const well = problems.length === 0 ? '\nAll is well.' : '';
              const asText = () => certificatesText(certLocalDir, listed, now) + well;
              run.say(run.value('format') === 'json' ? JSON.stringify(record) : asText(), 'info', record);
            },
            { check: 'run' },
          ),
        ],
      });
      if (problems.length > 0) throw certificatesNotWell(problems);
      return;
    }

    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(cn)) {
      throw new InputError(`cn must be 1 to 64 letters, digits, ".", "_" and "-", and not ${JSON.stringify(cn)}`, {
        next: 'Its files are named for it.',
      });
    }
    const request: ConsumerRequest = {
      dir: certLocalDir,
      commonName: cn,
      names: run.value('names'),
      lifetimeMs: days === undefined ? certExpiryMs : days * DAY_MS,
      keyAlgorithm,
      renew: run.value('renew'),
      password: run.value('p12_password'),
    };
    if (!p12) request.password = undefined;
    else {
      await checkOpenssl();
      checkPassword(request.password);
    }
    let consumer: Consumer | undefined;
    yield play('Look', {
      hosts: [],
      tasks: [
        once(
          'Certificate is looked at',
          async () => {
            consumer = await inspectConsumer(request);
            const { action } = consumer.verdict;
            if (!run.check) return { summary: action === 'keep' ? 'it is there' : '' };
            const will = {
              issue: 'would be issued',
              renew: 'would be issued anew',
              keep: 'is valid',
              refuse: 'differs',
            };
            return {
              changed: action === 'issue' || action === 'renew',
              summary: `${consumer.certPath} ${will[action]}`,
            };
          },
          { check: 'run' },
        ),
      ],
    });
    if (run.check) return;
    if (p12 && !request.password) {
      request.password = await run.askSecret(`Password for ${cn}.p12: `);
      if (!request.password) {
        throw new InputError('a password for the PKCS#12 file is needed, and there is no terminal to ask on', {
          next: 'Set p12_password in a vault, or in a file of your own: -e @FILE',
        });
      }
      checkPassword(request.password);
      const again = await run.askSecret('The same again: ');
      if (again?.reveal() !== request.password.reveal()) throw new InputError('these are two different passwords');
    }
    if (cn === 'root')
      run.say('a certificate for root may do everything in the cluster, also where users must log in', 'warning');
    yield play('Issue', {
      hosts: [],
      tasks: [
        once('Certificate is issued', async () => {
          consumer = await issueConsumer(request);
          const { verdict, p12: packed } = consumer;
          run.say(consumerText(consumer, settings), 'info', {
            kind: 'certificate',
            action: verdict.action,
            cert: consumer.certPath,
            key: consumer.keyPath,
            ca: consumer.caPath,
            p12: packed?.path ?? null,
          });
          return { changed: verdict.action !== 'keep' || packed?.state === 'written' };
        }),
      ],
    });

    function checkPassword(password: Secret | undefined): void {
      if (!password || password.reveal().length >= LEAST_PASSWORD_LENGTH) return;
      const next = "Java's keytool takes no shorter one.";
      throw new InputError(`the password needs at least ${LEAST_PASSWORD_LENGTH} characters`, { next });
    }
  },
});
