"""Runs a program that reads untrusted bytes with as little power as it needs. It is an exec wrapper, not a module:

    python -I -S confine.py PARENT_PID LIMITS BPF_BASE64 PROGRAM ARGUMENT…

It sets resource limits and no-new-privileges, loads the seccomp program and then calls exec; the kernel kills the
program when its parent dies. LIMITS are names and values of resource limits, such as CPU=10,FSIZE=1000000. It uses the
standard library only and imports little, because it runs before every ffmpeg.

Exit status: that of the program; 125 if it could not be confined, and 126 if it could not be started. Both are the
machine's fault, never the recording's.
"""

import base64
import ctypes
import os
import resource
import signal
import sys

NOT_CONFINED = 125
NOT_STARTED = 126

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_INSTRUCTION_BYTES = 8
_MAX_FILES = 256
_KILLED = 128 + signal.SIGKILL


class _Program(ctypes.Structure):
    """The kernel's `struct sock_fprog`."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main(parent: int, limits: str, bpf: bytes) -> None:
    """Confines this process. Raises OSError and ValueError."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prctl(option: int, *arguments: object) -> None:
        if libc.prctl(option, *arguments) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")

    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the call above
        sys.exit(_KILLED)
    # Python ignores it, and the program would inherit that: writing more than FSIZE would be an error of its own.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _MAX_FILES)
    for limit in limits.split(","):
        name, _, value = limit.partition("=")
        _limit(getattr(resource, f"RLIMIT_{name}"), int(value))
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if bpf:
        program = _Program(len(bpf) // _INSTRUCTION_BYTES, bpf)
        prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)


def _limit(resource_number: int, value: int) -> None:
    """Sets soft and hard limit alike: ffmpeg takes the soft limit's SIGXCPU as a wish to end with half a result."""
    hard = resource.getrlimit(resource_number)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(resource_number, (value, value))


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2], base64.b64decode(sys.argv[3]))
    except (OSError, ValueError, AttributeError) as error:
        sys.stderr.write(f"not confined: {error}\n")
        sys.exit(NOT_CONFINED)
    try:
        os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.stderr.write(f"not started: {error}\n")
        sys.exit(NOT_STARTED)
