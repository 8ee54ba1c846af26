/** The same by the name that it has elsewhere. */
export { default } from './migrate_etcd_v2_to_v3.ts';
