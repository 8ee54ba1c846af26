import {
  absent,
  archive,
  blockInFile,
  command,
  copy,
  copyTree,
  directory,
  file,
  firewall,
  group,
  hostEntries,
  lineInFile,
  link,
  packages,
  play,
  playbook,
  Secret,
  script,
  service,
  step,
  sysctl,
  systemUser,
  task,
  template,
  timer,
  unit,
  user,
  variable,
} from 'etcd-play';

/** Of the password `open sesame`. */
const hash = '$6$labsalt$Wmmtz0dvQRQMt5vQSyTQs7WzP8W1vLaqMcJOhXbDUJbb9FBTLGfbBbqVGxFb2jSSk6d7dyg5WlxS9TtE5JJvp1';
const appUnit = `[Unit]
Description=An app

[Service]
ExecStart=/bin/sleep infinity
User=app

[Install]
WantedBy=multi-user.target
`;

export default playbook({
  name: 'wanted',
  description: 'one task for each kind of resource',
  hosts: 'all',
  variables: {
    archive: variable.path('what is unpacked', { required: true }),
    web: variable.text('which lab-web', { default: '1.0-1' }),
  },
  plays: (run) => [
    play('Wanted', {
      tasks: [
        task('Firewall', () => [
          firewall({ ports: ['8080/tcp', '9000-9010/tcp', '53/udp'] }),
          firewall({ ports: ['2380/tcp', '7000-7001/udp'], from: ['10.0.0.0/8', '10.99.0.1', 'fd00::/8'] }),
        ]),
        task('Group', () => group({ name: 'app', gid: 4100 })),
        task('User', () =>
          user({
            name: 'app',
            uid: 4100,
            group: 'app',
            groups: ['adm'],
            home: '/srv/app',
            shell: '/bin/sh',
            comment: "It's the app",
            password: new Secret(hash),
          }),
        ),
        task('System user', () => systemUser({ name: 'appd', home: '/nonexistent', comment: 'runs things' })),
        task('Directory', () => directory({ path: '/srv/app/data', owner: 'app', group: 'adm', mode: 0o2750 })),
        task('File', () => file({ path: '/srv/app/hello', content: 'hello\n', owner: 'app', mode: 0o644 })),
        task('Secret file', () => file({ path: '/srv/app/key', content: new Secret('hush, hush'), mode: 0o600 })),
        task('Template', ({ host }) =>
          template({
            template: 'app.conf.hbs',
            dirs: run.templateDirs,
            vars: { host, port: 8080, peers: ['a', "b's"] },
            path: '/srv/app/app.conf',
            mode: 0o640,
            group: 'app',
            validate: 'grep -q "^port=8080$" %s',
          }),
        ),
        task('Copy', () => copy({ source: 'files/index.html', path: '/srv/app/index.html', mode: 0o644 })),
        task('Tree', () => copyTree({ source: 'files', path: '/srv/app/www', owner: 'app', mode: 0o640 })),
        task('Link', () => link({ path: '/srv/app/current', target: 'www/pages' })),
        task('Archive', () => archive({ source: run.value('archive'), dest: '/srv/app/unpacked' })),
        task('Line', () => lineInFile({ path: '/etc/issue', line: 'Authorised people only', before: 'beginning' })),
        task('Block', () =>
          blockInFile({ path: '/etc/issue.net', name: 'terms', lines: ['No entry', 'No exit'], backup: true }),
        ),
        task('Host entries', () =>
          hostEntries({ name: 'app', entries: [{ address: '10.99.0.1', names: ['db', 'db.example.com'] }] }),
        ),
        task('Settings of the kernel', () =>
          sysctl({
            name: '60-app',
            values: { 'net.ipv4.tcp_keepalive_time': 1234, 'net.ipv4.ip_local_port_range': '20000 61000' },
          }),
        ),
        task('Packages', () => packages({ names: [`lab-web=${run.value('web')}`, 'lab-server'] })),
        task('Unit', () => unit({ name: 'app.service', content: appUnit })),
        task('Service', () => service({ name: 'app', state: 'started', enabled: true })),
        task('Service of a package', () => service({ name: 'lab-web', state: 'started', enabled: true })),
        task('Timer', () =>
          timer({
            name: 'app-tidy',
            description: 'tidies up',
            onCalendar: 'yearly',
            user: 'app',
            command: ['/usr/bin/touch', '/srv/app/data/$tidied 100%'],
          }),
        ),
        task('Command', () =>
          command({ argv: ['touch', 'made here'], cwd: '/srv/app', creates: '/srv/app/made here', user: 'app' }),
        ),
        task('Script', () =>
          script({
            text: '#!/bin/bash\nwords=("$@")\necho "${#words[@]} $X" >/srv/app/counted\n',
            args: ['a b', '$c'],
            env: { X: "it's" },
            unless: 'grep -q "^2 " /srv/app/counted',
          }),
        ),
        task('Absent', () => absent({ path: '/srv/old', recurse: true })),
        step('Round trips', async ({ connect }) => ({ summary: String((await connect()).roundTrips) }), {
          check: 'run',
        }),
      ],
    }),
  ],
});
