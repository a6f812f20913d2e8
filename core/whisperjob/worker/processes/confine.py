"""Runs a program that reads untrusted bytes with as little power as it needs. It is an exec wrapper, not a module:

    python -I -S confine.py PARENT_PID ADDRESS_SPACE_BYTES BPF_BASE64 PROGRAM ARGUMENT…

It sets resource limits and no-new-privileges, loads the seccomp program and then calls exec; the kernel kills the
program when its parent dies. It uses the standard library only and imports little, because it runs before every ffmpeg.
"""

import base64
import ctypes
import os
import resource
import signal
import sys

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


def main(parent: int, address_space_bytes: int, bpf: bytes, argv: list[str]) -> None:
    """Confines this process and replaces it by `argv`. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prctl(option: int, *arguments: object) -> None:
        if libc.prctl(option, *arguments) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {option}")

    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # the parent died before the call above
        sys.exit(_KILLED)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_FILES, _MAX_FILES))
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if bpf:
        program = _Program(len(bpf) // _INSTRUCTION_BYTES, bpf)
        prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    os.execv(argv[0], argv)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), base64.b64decode(sys.argv[3]), sys.argv[4:])
