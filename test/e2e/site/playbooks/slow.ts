import { packages, play, playbook, task } from 'etcd-play';

export default playbook({
  name: 'slow',
  description: 'a package that takes its time',
  hosts: 'all',
  plays: () => [play('Slow', { tasks: [task('Slow', () => packages({ names: ['lab-slow'] }))] })],
});
