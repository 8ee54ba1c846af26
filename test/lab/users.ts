/** The ways into a lab host; all log in with the lab's key. */
export const users = {
  root: { uid: 0, home: 'root' },
  /** sudo without a password. */
  plain: { uid: 2001, home: 'home/plain' },
  /** sudo with {@link carefulPassword}. */
  careful: { uid: 2002, home: 'home/careful' },
  /** No sudo rights. */
  nosudo: { uid: 2003, home: 'home/nosudo' },
} as const;

export type LabUser = keyof typeof users;

/** What `careful` must tell sudo. A password of the lab only, known to everyone. */
export const carefulPassword = 'careful-of-the-lab';
