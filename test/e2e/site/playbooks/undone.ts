import {
  absent,
  blockInFile,
  directory,
  group,
  hostEntries,
  lineInFile,
  packages,
  play,
  playbook,
  service,
  task,
  timer,
  unit,
  user,
} from 'etcd-play';

const APP = ['data', 'hello', 'key', 'app.conf', 'index.html', 'www', 'current', 'unpacked', 'made here', 'counted'];

export default playbook({
  name: 'undone',
  description: 'takes away what `wanted` made',
  hosts: 'all',
  plays: () => [
    play('Undone', {
      tasks: [
        task('Timer', () =>
          timer({
            name: 'app-tidy',
            description: 'tidies up',
            onCalendar: 'yearly',
            command: ['/bin/true'],
            present: false,
          }),
        ),
        task('Service', () => service({ name: 'app', state: 'stopped', enabled: false })),
        task('Unit', () => unit({ name: 'app.service', present: false })),
        task('Service of a package', () => service({ name: 'lab-web', state: 'stopped', enabled: false })),
        task('Packages', () => packages({ names: ['lab-web', 'lab-plain'], present: false })),
        task('Settings of the kernel', () => absent({ path: '/etc/sysctl.d/60-app.conf' })),
        task('Host entries', () => hostEntries({ name: 'app', entries: [] })),
        task('Block', () => blockInFile({ path: '/etc/issue.net', name: 'terms', lines: [] })),
        task('Line', () => lineInFile({ path: '/etc/issue', line: 'Authorised people only', present: false })),
        task('Files', () => APP.map((name) => absent({ path: `/srv/app/${name}`, recurse: true }))),
        task('User', () => user({ name: 'app', present: false })),
        task('System user', () => user({ name: 'appd', present: false })),
        task('Group', () => group({ name: 'app', present: false })),
        task('Home', () => absent({ path: '/srv/app', recurse: true })),
        task('Old', () => directory({ path: '/srv/old', mode: 0o755 })),
      ],
    }),
  ],
});
