export const compressions = ['none', 'gzip', 'zstd'] as const;
export type Compression = (typeof compressions)[number];
export const encryptions = ['none', 'age'] as const;
export type Encryption = (typeof encryptions)[number];

/** What the name of a backup says. */
export interface BackupName {
  cluster: string;
  /** UTC, to the second. */
  takenAt: Date;
  revision: bigint;
  compression: Compression;
  encryption: Encryption;
}

/** The name that the reference's restore reads: here a link to the newest verified backup. */
export const LATEST = 'etcd_snapshot.db';

const COMPRESSED = { none: '', gzip: '.gz', zstd: '.zst' } as const;
const ENCRYPTED = { none: '', age: '.age' } as const;

/** `etcd_orders_20260801T030000Z_r1234.db.gz.age` */
export function backupFileName({ cluster, takenAt, revision, compression, encryption }: BackupName): string {
  const time = `${takenAt.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
  return `etcd_${cluster}_${time}_r${revision}.db${COMPRESSED[compression]}${ENCRYPTED[encryption]}`;
}

/** Undefined for every name that {@link backupFileName} would not give: what is not ours is never touched. */
export function parseBackupFileName(name: string): BackupName | undefined {
  const parts =
    /^etcd_([A-Za-z0-9][A-Za-z0-9._-]*)_(\d{8}T\d{6}Z)_r(\d{1,19})\.db(\.gz|\.zst)?(\.age)?$/.exec(name) ?? undefined;
  if (!parts) return undefined;
  const [, cluster, time, revision, compressed, encrypted] = parts;
  const takenAt = new Date(time!.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (Number.isNaN(takenAt.getTime())) return undefined;
  const parsed: BackupName = {
    cluster: cluster!,
    takenAt,
    revision: BigInt(revision!),
    compression: compressed === '.gz' ? 'gzip' : compressed === '.zst' ? 'zstd' : 'none',
    encryption: encrypted ? 'age' : 'none',
  };
  return backupFileName(parsed) === name ? parsed : undefined;
}

/** What `etcdctl backup` saved of the v2 API lies beside it: `etcd_orders_20260801T030000Z_r1234.v2.tar.gz.age` */
export function v2FileName(name: BackupName): string {
  const plain = backupFileName({ ...name, compression: 'none', encryption: 'none' });
  return `${plain.slice(0, -'.db'.length)}.v2.tar.gz${ENCRYPTED[name.encryption]}`;
}

/** The same of a backup's file name; undefined for one that is none. */
export function v2NameBeside(backupFile: string): string | undefined {
  const parsed = parseBackupFileName(backupFile);
  return parsed && v2FileName(parsed);
}

/** Where the manifest of a backup lies: beside it. */
export function manifestName(backupFile: string): string {
  return `${backupFile}.json`;
}
