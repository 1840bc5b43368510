"""Which system calls a cell may make, as data. `seccomp` turns a `Filter` into a program.

A call that is not named here kills the cell. A call with a rule is allowed where every test of
the rule holds and otherwise fails with the rule's errno, as our own code, the C library or a
guest may come upon it honestly. Lists were found by tracing cells and confirmed with the default
kill.

Rule: an argument is compared in both halves unless the kernel itself reads only the lower one.
"""

from __future__ import annotations

import errno
from typing import Literal

from protocol.structs import frozen

type Kind = Literal["wasm", "native"]
type Files = Literal["none", "read", "write", "own"]


@frozen
class OneOf:
    """The lower 32 bits of the argument are one of `values` (the kernel reads an int there)."""

    argument: int
    values: tuple[int, ...]


@frozen
class Without:
    """None of the bits of `mask` is set in the lower half of the argument."""

    argument: int
    mask: int


@frozen
class Masked:
    """The lower half of the argument, cut to `mask`, equals `value`."""

    argument: int
    mask: int
    value: int


@frozen
class Zero:
    """The argument is 0 in all its 64 bits: a null pointer."""

    argument: int


@frozen
class OwnProcess:
    """The argument is the pid of the process the filter is installed in."""

    argument: int


type Test = OneOf | Without | Masked | Zero | OwnProcess


@frozen
class Rule:
    """`call` is allowed if all `tests` hold; otherwise it fails with `otherwise`."""

    call: str
    tests: tuple[Test, ...]
    otherwise: int = errno.EPERM


@frozen
class Filter:
    """Everything a cell may ask of the kernel. Disjoint: a call is named in one place alone."""

    allowed: frozenset[str]
    rules: tuple[Rule, ...]
    #: Calls that fail with an errno instead of killing.
    refused: tuple[tuple[str, int], ...]


_MAP_SHARED, _MAP_GROWSDOWN, _MAP_HUGETLB = 0x01, 0x0100, 0x4_0000
_PROT_EXEC = 0x4
#: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS, PARENT_SETTID and CHILD_CLEARTID: what the C
#: library asks for in pthread_create, and nothing that makes a process or a namespace.
PTHREAD_FLAGS = 0x3D0F00
#: F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GET_SEALS.
_FCNTL_COMMANDS = (0, 1, 2, 3, 4, 1030, 1034)
#: F_GETLK, F_SETLK, F_SETLKW: a database locks its files.
_FCNTL_LOCKS = (5, 6, 7)
_FIONREAD, _FIONBIO, _FIOCLEX = 0x541B, 0x5421, 0x5451
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE_MASK = 1, 1, 0xF
_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA = 15, 16, 0x53564D41

_CORE = """
    read write readv writev close lseek fstat poll ppoll select pselect6 brk munmap mremap madvise
    futex sched_yield set_robust_list rseq restart_syscall getrandom exit exit_group
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack rt_sigpending
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday times getrusage
    getpid getppid gettid getuid geteuid getgid getegid uname umask
    recvfrom getsockname getsockopt shutdown
    epoll_create1 epoll_ctl epoll_wait epoll_pwait eventfd2 timerfd_settime sched_getaffinity getcpu
    setitimer getitimer
"""
_FILES_READ = """
    openat openat2 newfstatat statx getdents64 readlink readlinkat pread64 fstatfs
    getcwd access faccessat faccessat2 fadvise64 stat lstat open
"""
_FILES_WRITE = """
    pwrite64 pwritev2 ftruncate fallocate fsync fdatasync mkdirat unlinkat renameat renameat2 linkat
    symlinkat mkdir unlink rmdir rename link symlink
"""
#: What changes files of others, too, by their paths alone: where a cell's root holds none.
_FILES_OWN = "utimensat utime utimes"
#: What fails softly in every cell: the C library and Python come upon these without ill will.
_REFUSED = {
    "clone3": errno.ENOSYS,  # glibc falls back to clone, whose flags can be read by a filter
    "rt_sigsuspend": errno.EPERM,
    "membarrier": errno.ENOSYS,
    "sysinfo": errno.EPERM,
    "setsockopt": errno.EPERM,
    "getpeername": errno.EPERM,
    "getrlimit": errno.EPERM,
    "sched_setaffinity": errno.EPERM,
}
#: What native guests try in earnest: they get a PermissionError, and not the end of their cell.
_REFUSED_NATIVE = """
    socket connect bind listen accept accept4 sendmsg recvmsg fork vfork execve execveat kill tkill
    pipe pipe2 wait4 waitid ptrace mkdir unlink rmdir rename chmod chown truncate creat
    memfd_create mkdirat unlinkat renameat renameat2 linkat symlinkat fchmodat fchownat
    fchmod mknod mknodat lchown link symlink ftruncate pwrite64 setuid setgid setsid
    unshare setns mount umount2 sync
    statfs splice sendfile copy_file_range inotify_init1 timerfd_create mincore
    mlock mlockall msync shmget semget msgget process_vm_readv pidfd_open sched_setscheduler
"""
#: What native guests may do beyond what our own code needs; none of it reaches out of the cell.
_ALLOWED_NATIVE = """
    dup dup2 dup3 alarm pause time preadv pread64
    getpgrp getpgid getsid getgroups getresuid getresgid
    sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
"""
#: Where the cell has a file system: its own working directory.
_ALLOWED_NATIVE_WITH_FILES = "chdir fchdir"
#: RLIMIT_CPU and RLIMIT_DATA, which a cell narrows for each run: without privileges, never beyond
#: the hard limits of its jail.
_OWN_LIMITS = (0, 2)
#: `shutil` takes these for "there are none here", as on a file system without.
_NO_ATTRIBUTES = "listxattr llistxattr flistxattr getxattr lgetxattr fgetxattr setxattr removexattr"


def _rules(kind: Kind) -> tuple[Rule, ...]:
    return _RULES + (_NATIVE_RULES if kind == "native" else _WASM_RULES)


_WASM_RULES = (Rule("fcntl", (OneOf(1, _FCNTL_COMMANDS),)),)
_NATIVE_RULES = (
    Rule("fcntl", (OneOf(1, (*_FCNTL_COMMANDS, *_FCNTL_LOCKS)),)),
    Rule("setrlimit", (OneOf(0, _OWN_LIMITS),)),
)
_RULES = (
    # Shared and downward-growing mappings are not counted by RLIMIT_DATA, huge pages come
    # from a pool of the machine's; machine code comes from what was loaded before the jail.
    Rule(
        "mmap",
        (Without(2, _PROT_EXEC), Without(3, _MAP_SHARED | _MAP_GROWSDOWN | _MAP_HUGETLB)),
    ),
    Rule("mprotect", (Without(2, _PROT_EXEC),)),
    Rule("clone", (OneOf(0, (PTHREAD_FLAGS,)),)),
    Rule("tgkill", (OwnProcess(0),)),
    Rule("ioctl", (OneOf(1, (_FIONREAD, _FIONBIO, _FIOCLEX)),), errno.ENOTTY),
    # A datagram socket could be sent from to any path or abstract name: streams only, and no
    # destination.
    Rule(
        "socketpair",
        (OneOf(0, (_AF_UNIX,)), Masked(1, _SOCK_TYPE_MASK, _SOCK_STREAM)),
    ),
    Rule("sendto", (Zero(4),)),
    Rule("prctl", (OneOf(0, (_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA)),)),
    Rule("prlimit64", (OneOf(0, (0,)), Zero(2))),
    # Our own niceness alone: without capabilities it only goes up.
    Rule("getpriority", (OneOf(0, (0,)), OneOf(1, (0,)))),
    Rule("setpriority", (OneOf(0, (0,)), OneOf(1, (0,)))),
)


def filter_for(kind: Kind, files: Files) -> Filter:
    """Return what cells of one kind may call.

    Args:
        kind: "wasm" or "native" (processes and interpreters).
        files: "none" refuses all calls about paths; the others leave to the root and to Landlock
            which paths exist. "own" is "write" for a cell whose root holds nothing of the host's.
    """
    allowed = set(_CORE.split())
    refused = dict(_REFUSED)
    reading, writing = _FILES_READ.split(), _FILES_WRITE.split()
    if files == "none":
        refused |= dict.fromkeys(reading, errno.EACCES)
    else:
        allowed |= set(reading)
    if files in ("write", "own"):
        allowed |= set(writing)
    if files == "own":
        allowed |= set(_FILES_OWN.split())
    elif files == "write" or kind == "native":
        refused |= dict.fromkeys(_FILES_OWN.split(), errno.EPERM)
    if kind == "native":
        allowed |= set(_ALLOWED_NATIVE.split())
        if files != "none":
            allowed |= set(_ALLOWED_NATIVE_WITH_FILES.split())
        refused |= dict.fromkeys(_REFUSED_NATIVE.split(), errno.EPERM)
        refused |= dict.fromkeys(_NO_ATTRIBUTES.split(), errno.ENOTSUP)
    rules = _rules(kind)
    for name in allowed | {rule.call for rule in rules}:
        refused.pop(name, None)
    return Filter(frozenset(allowed), rules, tuple(sorted(refused.items())))
