"""Whose fault it is that a program or a worker failed: one table for exit statuses, messages and errors. Pure.

What is in no row is unknown: it counts as a failed attempt, and the job ends as `infrastructure` after some of them.
That a program failed on a recording alone proves nothing: whether the machine can work at all is tried out (`self_test`
of the optimizer) before a recording is blamed.
"""

import errno
from collections.abc import Mapping
from typing import Final

from whisperjob.model.machine_faults import MachineFault, MachineFaultError
from whisperjob.worker.processes.confine import NOT_CONFINED, NOT_STARTED

_STATUSES: Final[Mapping[int, MachineFault]] = {
    NOT_CONFINED: MachineFault.NOT_CONFINED,
    NOT_STARTED: MachineFault.NO_PROGRAM,
    127: MachineFault.NO_PROGRAM,  # the dynamic linker's, when a library is missing, and the shell's
}
_MESSAGES: Final[Mapping[str, MachineFault]] = {
    "error while loading shared libraries": MachineFault.NO_PROGRAM,
    "No space left on device": MachineFault.NO_SPACE,
    "Disk quota exceeded": MachineFault.NO_SPACE,
    "Read-only file system": MachineFault.FILES_UNAVAILABLE,
    "Too many open files": MachineFault.FILES_UNAVAILABLE,
}
"""What programs print that met the machine's fault. Their other messages may come of the recording: ffmpeg says
"Cannot allocate memory" and "Input/output error" of damaged files."""

_ERRNOS: Final[Mapping[int, MachineFault]] = {
    errno.ENOSPC: MachineFault.NO_SPACE,
    errno.EDQUOT: MachineFault.NO_SPACE,
    errno.ENOMEM: MachineFault.NO_MEMORY,
    errno.EAGAIN: MachineFault.NO_MEMORY,  # no further process or thread is allowed
    **dict.fromkeys(
        (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EMFILE, errno.ENFILE),
        MachineFault.FILES_UNAVAILABLE,
    ),
    **dict.fromkeys((errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ETIMEDOUT), MachineFault.FILES_UNAVAILABLE),
}
"""No recording brings a worker to one of these. To others it may: the pipe of a program that it crashed (EPIPE), or a
file that reaches its limit (EFBIG)."""


def find_program_fault(returncode: int, stderr: str) -> MachineFault | None:
    """Returns the machine's fault that a failed program met, None if it is not known to be the machine's."""
    if returncode == 0:
        return None
    if fault := _STATUSES.get(returncode):
        return fault
    return next((fault for message, fault in _MESSAGES.items() if message in stderr), None)


def find_fault(error: BaseException) -> MachineFault | None:
    """Returns the machine's fault that ended a worker's work with this error, None if it is not known to be that."""
    if isinstance(error, MachineFaultError):
        return error.fault
    if isinstance(error, OSError):
        return _ERRNOS.get(error.errno or 0)
    return None
