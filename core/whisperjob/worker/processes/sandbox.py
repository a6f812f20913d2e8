"""Builds the command line that confines ffmpeg (see confine.py), and the seccomp program it loads.

The filter refuses what a decoder never needs, above all sockets. Without libseccomp the other measures (limits,
no-new-privileges, death with the parent) still hold, and the log says so.
"""

import base64
import errno
import logging
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

from whisperjob.worker.processes.limits import DEFAULT_LIMITS, Limits

_DENIED = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "perf_event_open", "bpf", "userfaultfd"),
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "fsopen", "open_tree", "move_mount"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff"),
    *("keyctl", "add_key", "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "personality", "quotactl"),
    *("open_by_handle_at", "name_to_handle_at", "kill", "tkill", "pidfd_send_signal", "link", "linkat", "mknod"),
)
"""These system calls fail with EPERM instead of killing the process, so that a library that only tries one goes on."""

_ENVIRONMENT = {"LC_ALL": "C", "AV_LOG_FORCE_NOCOLOR": "1"}

_log = logging.getLogger(__name__)


@cache
def filter_program() -> bytes:
    """Returns the seccomp filter as the kernel takes it; empty where libseccomp is absent."""
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        _log.warning("ffmpeg runs without seccomp: %s", error)
        return b""
    rules = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
    for name in _DENIED:
        try:
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
        except (OSError, RuntimeError, ValueError):
            _log.debug("there is no system call %s here", name)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def confined(argv: list[str], limits: Limits = DEFAULT_LIMITS) -> list[str]:
    """Returns `argv`, whose program is an absolute path, as a command that confines itself first.

    It works on Linux only; on other systems `argv` comes back unchanged.
    """
    if sys.platform != "linux":
        return argv
    wrapper = Path(__file__).with_name("confine.py")
    return [
        *(sys.executable, "-I", "-S", str(wrapper), str(os.getpid()), limits.to_argument()),
        *(base64.b64encode(filter_program()).decode(), *argv),
    ]


def bare_environment() -> dict[str, str]:
    """Returns the environment of a confined program: of this process's own, it has only the path of libraries."""
    path = os.environ.get("LD_LIBRARY_PATH")
    return _ENVIRONMENT if path is None else _ENVIRONMENT | {"LD_LIBRARY_PATH": path}
