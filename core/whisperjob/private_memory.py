"""Closes the memory and the environment of a process, where the keys are, to other processes of the same user."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def close_memory() -> None:
    """Makes /proc/PID/environ and /proc/PID/mem unreadable, except to root, and forbids debuggers and core dumps.

    It holds until this process calls exec, and on Linux only. Programs that it starts are not affected.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
