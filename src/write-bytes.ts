/**
 * So much is written into a file at once, here and on hosts. For a bigger piece the kernel takes a bigger piece of memory,
 * which a virtual machine has often given back to its host and gets anew at many times the cost: 256 MiB took 0.2 s by
 * 32 KiB, 1.0 to 1.9 s by 1 MiB (ext4, Linux 6.18).
 */
export const WRITE_BYTES = 32 * 1024;
