// Numbers of the kernel and libc that Node does not carry in fs.constants or os.constants.

const linux = process.platform !== 'darwin';
const arm64 = process.arch === 'arm64';

/** flock(2) */
export const LOCK_EX = 2;
export const LOCK_NB = 4;

/** waitpid(2) */
export const WNOHANG = 1;

/** signal(2) handlers */
export const SIG_DFL = 0;
export const SIG_IGN = 1;
/** sigprocmask(2), "replace the mask". */
export const SIG_SETMASK = linux ? 2 : 3;

/** posix_spawnattr_setflags(3) */
/** With the attribute's default group 0: a group of its own. */
export const POSIX_SPAWN_SETPGROUP = 0x02;
export const POSIX_SPAWN_SETSIGDEF = 0x04;
export const POSIX_SPAWN_SETSIGMASK = 0x08;
/** Apple only: every descriptor that no file action names is closed. */
export const POSIX_SPAWN_CLOEXEC_DEFAULT = 0x4000;

/** poll(2) */
export const POLLIN = 1;

/** socket(2) and what goes with it, as on Linux, on every architecture. */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SCM_RIGHTS = 1;
export const SCM_CREDENTIALS = 2;
export const MSG_CTRUNC = 0x08;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_CMSG_CLOEXEC = 0x4000_0000;
export const SHUT_RDWR = 2;

/** fallocate(2) of Linux. */
export const FALLOC_FL_KEEP_SIZE = 0x01;
export const FALLOC_FL_PUNCH_HOLE = 0x02;
export const FALLOC_FL_COLLAPSE_RANGE = 0x08;

/** lseek(2) of Linux: the next byte that is in no hole, or that is in one; the end of a file counts as a hole. */
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;

/** splice(2) */
export const SPLICE_F_MOVE = 1;
export const SPLICE_F_NONBLOCK = 2;

/** fcntl(2) of Linux; a process without privileges may go up to /proc/sys/fs/pipe-max-size, 1 MiB by default. */
export const F_SETPIPE_SZ = 1031;

/** inotify(7) */
export const IN_MODIFY = 2;
export const IN_IGNORED = 0x8000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_ONESHOT = 0x8000_0000;
export const IN_NONBLOCK = 0o4000;
export const IN_CLOEXEC = 0o2_000_000;
/** struct inotify_event without a name, as events of files are. */
export const INOTIFY_EVENT_BYTES = 16;

/** proc_pidinfo(3) of macOS. */
export const PROC_PIDTBSDINFO = 3;

/** Linux system calls without a wrapper in every libc. The table is [x86_64, arm64]; from 424 on all are equal. */
export const linuxSyscalls = {
  fcntl: arm64 ? 25 : 72,
  ioctl: arm64 ? 29 : 16,
  pipe2: arm64 ? 59 : 293,
  prctl: arm64 ? 167 : 157,
  setgroups: arm64 ? 159 : 116,
  setresuid: arm64 ? 147 : 117,
  setresgid: arm64 ? 149 : 119,
  pidfd_send_signal: 424,
  pidfd_open: 434,
  pidfd_getfd: 438,
  close_range: 436,
} as const;

/** ioctl(2) on a pidfd: _IOWR(0xff, 11, struct pidfd_info), since Linux 6.13, and the exit since 6.15. */
export const PIDFD_GET_INFO = 0xc040_ff0b;
export const PIDFD_INFO_EXIT = 8;

/** prctl(2) */
export const PR_SET_CHILD_SUBREAPER = 36;

/** close_range(2): mark instead of close, since 5.11. */
export const CLOSE_RANGE_CLOEXEC = 4;

/** getrlimit(2), by the names that ulimit and limits.conf users know. */
export const resourceLimits: Readonly<Record<string, number>> = linux
  ? {
      cpu: 0,
      fsize: 1,
      data: 2,
      stack: 3,
      core: 4,
      rss: 5,
      nproc: 6,
      nofile: 7,
      memlock: 8,
      as: 9,
      locks: 10,
      sigpending: 11,
      msgqueue: 12,
      nice: 13,
      rtprio: 14,
      rttime: 15,
    }
  : { cpu: 0, fsize: 1, data: 2, stack: 3, core: 4, as: 5, rss: 5, memlock: 6, nproc: 7, nofile: 8 };

/** RLIM_INFINITY as the unsigned number that struct rlimit holds. */
export const RLIM_INFINITY = linux ? 0xffff_ffff_ffff_ffffn : 0x7fff_ffff_ffff_ffffn;
