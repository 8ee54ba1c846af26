import { play, playbook, service, task } from 'etcd-play';

export default playbook({
  name: 'services',
  description: 'services that are not as others',
  hosts: 'all',
  plays: () => [
    play('Services', {
      tasks: [
        task('Crashing', () => service({ name: 'crashing', state: 'stopped' })),
        task('Old', () => service({ name: 'old', enabled: false })),
      ],
    }),
  ],
});
