"""The system calls that ffmpeg needs to read a file, decode it and write another; all others fail with EPERM.

Not among them: anything with sockets, other processes, other users, mounts, keys, namespaces, io_uring, memory that is
a file, links, or special files. The names are those of all architectures; what one does not have is left out there.
"""

import errno
import fcntl
import tempfile
import termios
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyseccomp

ALLOWED = (
    # files that are open
    *("read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2", "pwritev2"),
    *(
        "lseek",
        "_llseek",
        "close",
        "close_range",
        "dup",
        "dup2",
        "dup3",
        "fsync",
        "fdatasync",
        "ftruncate",
        "ftruncate64",
    ),
    *(
        "fadvise64",
        "fadvise64_64",
        "arm_fadvise64_64",
        "pipe",
        "pipe2",
        "poll",
        "ppoll",
        "select",
        "_newselect",
        "pselect6",
    ),
    # files by their names, where Landlock lets them be opened
    *("open", "openat", "creat", "stat", "fstat", "lstat", "stat64", "fstat64", "lstat64", "newfstatat", "fstatat64"),
    *("statx", "statfs", "fstatfs", "statfs64", "fstatfs64", "access", "faccessat", "faccessat2", "readlink"),
    *("readlinkat", "getdents", "getdents64", "getcwd", "chdir", "umask"),
    # memory
    *("brk", "mmap", "mmap2", "munmap", "mprotect", "mremap", "madvise", "msync", "membarrier", "mlock", "munlock"),
    # threads of its own and their signals
    *(
        "futex",
        "futex_time64",
        "futex_waitv",
        "set_robust_list",
        "get_robust_list",
        "rseq",
        "set_tid_address",
        "gettid",
    ),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigreturn", "sigaltstack", "sched_yield"),
    *("sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min"),
    *("exit", "exit_group", "restart_syscall", "arch_prctl", "set_tls", "getrandom"),
    # time
    *("nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "clock_gettime", "clock_gettime64", "clock_getres"),
    *("clock_getres_time64", "gettimeofday", "time", "times"),
    # what it is itself
    *("getpid", "getppid", "getpgrp", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32", "getgid32"),
    *("getegid32", "getpriority", "getrlimit", "ugetrlimit", "getrusage", "getcpu", "uname", "sysinfo"),
    # The wrapper needs it to start the program. Landlock lets nothing else be started.
    "execve",
)

_INT = 0xFFFF_FFFF
"""The part of a register that an argument of type int takes up."""

_CLONE_VM, _CLONE_THREAD = 0x100, 0x10000
_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA = 15, 16, 0x53564D41

_FILE_COMMANDS = (
    *(fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_SETFL),
    *(fcntl.F_GETLK, fcntl.F_SETLK, fcntl.F_SETLKW),
)
"""Above all not F_SETOWN and F_SETSIG, by which the kernel sends any signal to any process of the user."""

_DEVICE_COMMANDS = (termios.TCGETS, termios.TIOCGWINSZ, termios.FIONREAD, termios.FIOCLEX, termios.FIONBIO)
"""Questions about a terminal, and no TIOCSTI, by which one types into it."""


def build_filter() -> bytes:
    """Returns the filter for this machine's architecture as the kernel takes it.

    Raises ImportError, OSError or RuntimeError without libseccomp.
    """
    import pyseccomp

    return _export(pyseccomp.SyscallFilter(defaction=pyseccomp.ERRNO(errno.EPERM)))


def _export(rules: "pyseccomp.SyscallFilter") -> bytes:
    import pyseccomp

    for name in ALLOWED:
        _add(rules, pyseccomp.ALLOW, name)
    for name, argument in _conditions():
        _add(rules, pyseccomp.ALLOW, name, argument)
    _add(rules, pyseccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags are in memory; the C library then uses clone
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _conditions() -> "Iterator[tuple[str, pyseccomp.Arg]]":
    """System calls that are allowed with some arguments only."""
    import pyseccomp

    threads = _CLONE_VM | _CLONE_THREAD
    yield "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, threads, threads)
    for name in ("fcntl", "fcntl64"):
        for command in _FILE_COMMANDS:
            yield name, pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _INT, command)
    for command in _DEVICE_COMMANDS:
        yield "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, _INT, command)
    for option in (_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA):
        yield "prctl", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _INT, option)
    yield "prlimit64", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _INT, 0)  # its own


def _add(rules: "pyseccomp.SyscallFilter", action: object, name: str, *arguments: "pyseccomp.Arg") -> None:
    import pyseccomp

    if pyseccomp.resolve_syscall(pyseccomp.system_arch(), name) >= 0:  # negative: not on this architecture
        rules.add_rule(action, name, *arguments)
