import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Lab, openLab } from '../lab/lab.ts';
import { ensureRelease } from '../lab/releases.ts';
import { Cluster, expectDone } from './cluster.ts';
import { testVersion } from './version.ts';
import { etcdctl } from './witness.ts';

const LAB = 'mx-disks';
const VERSION = testVersion('3.5.16');
const HOSTS = ['h1', 'h2', 'h3'];
/** The data are a disk of their own on h1 and h4, lie behind a link on h2; the logs lie elsewhere, on h3 on a disk of their own. */
const DATA = '/srv/etcd';
const LOG = '/srv/etcd-log';
const GIB = 1024 ** 3;
let lab: Lab;
let cluster: Cluster;
let backups: string;

beforeAll(async () => {
  await ensureRelease(VERSION);
  lab = await openLab({ name: LAB, hosts: 4, fresh: true });
  await Promise.all([
    lab.smallDisk('h1', DATA, GIB),
    lab.exec('h2', `mkdir -p /data/etcd /srv; ln -s /data/etcd ${DATA}`),
    lab.smallDisk('h3', LOG, 4 * GIB),
    lab.smallDisk('h4', DATA, GIB),
  ]);
  backups = join(lab.dir, 'backups');
  const vars = { ETCD_DATA_DIR: DATA, ETCD_WAL_DIR: LOG, LOCAL_ETCD_BACKUP_DIR: backups };
  cluster = await Cluster.of(lab, VERSION, HOSTS, vars);
});
afterAll(() => lab?.down());

const run = (...words: string[]) => cluster.play(words, HOSTS);
const all = (script: string, hosts: readonly string[] = HOSTS) =>
  Promise.all(hosts.map((host) => cluster.on(host, script)));
let written = 0;
const put = async (host: string, count = 3) => {
  for (let n = 0; n < count; n++) await etcdctl(lab, host, `put key/${++written} value-${written}`);
};
const content = (host: string) => etcdctl(lab, host, 'get key/ --prefix');
/** As a disk that was emptied: what is mounted, or linked, is there. */
const wipe = (hosts: readonly string[]) =>
  all(`systemctl kill -s KILL etcd; systemctl stop etcd; rm -rf ${DATA}/* ${LOG}/*`, hosts);

/** What lies aside, of the data and of the log; the places of all are told apart by it. */
const aside = (why: string) =>
  all(
    `cd /srv && LC_ALL=C ls -d etcd/${why}-* etcd.${why}-* etcd-log/wal.${why}-* 2>/dev/null | sed 's/-[0-9TZ]*$//' | LC_ALL=C sort`,
  );
const lies = (why: string, times = 1) => {
  const within = (path: string) => Array.from({ length: times }, () => path);
  const [disk, beside, log] = [`etcd/${why}`, `etcd.${why}`, `etcd-log/wal.${why}`].map(within) as [
    string[],
    string[],
    string[],
  ];
  return [
    [...log, ...disk],
    [...log, ...disk],
    [...log, ...beside],
  ].map((lines) => lines.join('\n'));
};
const drop = (why: string) => all(`rm -rf ${DATA}/${why}-* ${DATA}.${why}-* ${LOG}/wal.${why}-*`);

/** All lies where it belongs, on its disk, and nothing of a way there is left. */
async function isWhole(saved: string): Promise<void> {
  expect((await etcdctl(lab, 'h2', 'member list')).match(/ started,/g)).toHaveLength(HOSTS.length);
  for (const host of HOSTS) expect(await content(host)).toBe(saved);
  const left = `ls -Ad ${DATA}*/restore* ${DATA}*/.restore* ${DATA}*/*part ${DATA}.restore* ${DATA}.recovering* ${LOG}/*restore* ${DATA}/member/restored*`;
  expect(await all(left)).toEqual(['', '', '']);
  expect(await all(`stat -c %F ${DATA}; ls ${DATA}/member; ls ${LOG}/wal/*.wal | wc -l`)).toEqual(
    ['directory', 'symbolic link', 'directory'].map((kind) => `${kind}\nsnap\n1`),
  );
  const mounts = await Promise.all([cluster.on('h1', `mountpoint ${DATA}`), cluster.on('h3', `mountpoint ${LOG}`)]);
  for (const line of mounts) expect(line).toContain('is a mountpoint');
}

describe(`data and logs on disks of their own, etcd ${VERSION}`, () => {
  let [saved, after] = ['', ''];

  it('go back to what they were where what was restored does not come up', async () => {
    await put('h1');
    saved = await content('h1');
    expectDone(await run('backup_etcd'));
    await put('h2');
    after = await content('h1');
    const unit = '/etc/systemd/system/etcd.service.d';
    const bad = "[Service]\\nRestartSec=2s\\nExecStart=\\nExecStart=/bin/sh -c 'echo no such luck; exit 3'\\n";
    await cluster.on('h3', `mkdir -p ${unit}; printf "${bad}" >${unit}/bad.conf; systemctl daemon-reload`);
    const failed = await run('restore_etcd', '--yes', '-e', 'safety=false');
    expect([failed.code, failed.text]).toEqual([2, expect.stringContaining('no such luck')]);
    expect(failed.text).toContain('move the data aside as .bak-<time> (on h1, h2 within: bak-<time>)');
    expect(failed.text).toContain('The old data were put back. What ran before was started again.');
    await cluster.on('h3', `rm -r ${unit}; systemctl daemon-reload`);
    expectDone(await run('create_etcd'));
    await isWhole(after);
    expect(await aside('bak')).toEqual(['', '', '']);
    expect(await aside('failed')).toEqual(lies('failed'));
    await drop('failed');
  });

  it('are restored, killed behind the swap and in the middle of it, and the old ones kept in one piece', async () => {
    const words = ['restore_etcd', '--yes', '-e', 'safety=false'];
    await cluster.killedAt(/Restored data are put in place/, words, HOSTS);
    expect(await aside('bak')).toEqual(lies('bak'));
    // As if it had been killed before the last rename, or in the middle of all, on these.
    const undo = `s=$(ls -d ${LOG}/wal.bak-*); s=\${s##*-}; mv ${LOG}/wal ${LOG}/wal.restore-$s`;
    await cluster.on('h1', undo);
    await cluster.on('h3', `${undo}; mv ${DATA} ${DATA}.restore-$s`);
    expectDone(await run(...words));
    await isWhole(saved);
    const sizes = `for d in ${DATA}/bak-* ${DATA}.bak-*; do [ ! -e $d ] || { find $d -name db | wc -l; ls ${LOG}/wal.bak-\${d##*-}/*.wal | wc -l; }; done`;
    expect(await all(sizes)).toEqual(['1\n1', '1\n1\n1\n1', '1\n1']);
    await drop('bak');
  });

  it('are gone on with after a loss, killed on the way, and a copy is kept', async () => {
    await put('h3');
    const before = await content('h1');
    await wipe(['h2', 'h3']);
    const words = ['recover_etcd', '--yes'];
    await cluster.killedAt(/The other members are forgotten/, words, HOSTS);
    expect((await aside('bak'))[0]).toBe('etcd-log/wal.bak\netcd/bak');
    expect(await cluster.on('h1', `ls ${DATA}/bak-*/member/snap/db ${LOG}/wal.bak-*/*.wal | wc -l`)).toBe('2');
    expectDone(await run(...words));
    await isWhole(before);
    await drop('bak');
  });

  it('are put back where etcd does not start on them', async () => {
    await wipe(['h2', 'h3']);
    await cluster.on('h1', `systemctl stop etcd; chown root: ${DATA}/member/snap/db`);
    const state = `cd /srv && stat -c '%n %U %a %s' etcd/member/snap/db && sha256sum etcd/member/snap/db etcd-log/wal/*.wal; ls etcd etcd-log`;
    const [was] = await all(state, ['h1']);
    const failed = await run('recover_etcd', '--yes');
    expect([failed.code, failed.text]).toEqual([2, expect.stringContaining('The data are as they were.')]);
    await drop('failed');
    expect(await all(state, ['h1'])).toEqual([was]);
    await cluster.on('h1', `chown etcd: ${DATA}/member/snap/db`);
  });

  it('come from a backup where all are lost', async () => {
    await wipe(HOSTS);
    const words = ['recover_etcd', '--yes'];
    await cluster.killedAt(/Restored data are put in place/, words, HOSTS);
    const done = await run(...words);
    expectDone(done);
    expect(done.text).toContain('go on recovering');
    await isWhole(saved);
    expect(await aside('bak')).toEqual(['', '', '']);
  });

  it('of a member that leaves, is lost, or moves stay on their disk', async () => {
    expectDone(await cluster.delete('h2', HOSTS, '-e', 'purge=true'));
    expect(await cluster.on('h2', `find ${DATA}/ ${LOG} -mindepth 1`)).toBe('');
    expectDone(await cluster.add('h2', HOSTS));
    await put('h1');
    const before = await content('h1');
    // Whoever leads hands over when it is stopped.
    await cluster.on('h1', `systemctl stop etcd; mkdir ${DATA}/lost+found; rm -rf ${LOG}/wal`);
    expectDone(await cluster.replace('h1', HOSTS));
    expect(await cluster.on('h1', `cd ${DATA}; ls -d *; ls aside-*; ls ${LOG}`)).toMatch(
      /^aside-\S+\nlost\+found\nmember\nmember\nwal$/,
    );
    await isWhole(before);
    const four = [...HOSTS, 'h4'];
    expectDone(await cluster.play(['move_etcd', '-l', 'h1', '-e', 'to=h4', '--yes'], four));
    await cluster.isOf(['h2', 'h3', 'h4']);
    expect(await content('h4')).toBe(before);
    expect(await cluster.on('h4', `mountpoint ${DATA}; ls ${DATA}`)).toBe(`${DATA} is a mountpoint\nmember`);
    expect(await cluster.on('h1', `cd ${DATA}; ls -d *; cd ${LOG}; ls`)).toMatch(
      /^(aside-\S+\n){2}lost\+found\nwal\.aside-\S+$/,
    );
  });
});
