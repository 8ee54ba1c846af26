import { directory, file, group, lineInFile, link, play, playbook, step, sysctl, task, variable } from 'etcd-play';

export default playbook({
  name: 'many',
  description: 'so many tasks, of several kinds',
  hosts: 'all',
  variables: { tasks: variable.integer('how many', { min: 1, default: 5 }) },
  plays: (run) => {
    const at = (n: number) => `/srv/many/${n}`;
    const one = (n: number) => {
      const kinds = [
        () => directory({ path: at(n), mode: 0o755 }),
        () => file({ path: at(n), content: `${n}\n`, mode: 0o644 }),
        () => link({ path: at(n), target: `nowhere-${n}` }),
        () => lineInFile({ path: at(n), line: `line ${n}`, create: { mode: 0o600 } }),
        () => group({ name: `many${n}` }),
        () => sysctl({ name: `many-${n}`, values: { 'net.ipv4.tcp_keepalive_time': 1300 } }),
      ];
      return task(`Task ${n}`, kinds[n % kinds.length]!);
    };
    return [
      play('Many', {
        tasks: [
          task('Folder', () => directory({ path: '/srv/many', mode: 0o755 })),
          ...Array.from({ length: run.value('tasks') - 1 }, (_, n) => one(n)),
          step('Round trips', async ({ connect }) => ({ summary: String((await connect()).roundTrips) }), {
            check: 'run',
          }),
        ],
      }),
    ];
  },
});
