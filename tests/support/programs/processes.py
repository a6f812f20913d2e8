"""Which processes live, read from /proc, and how a server that a test has started is ended."""

import os
import signal
import subprocess

_STOP_SECONDS = 10.0


def lives(pid: int) -> bool:
    """Whether a process runs; a zombie has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - /proc is no place for Path objects
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid: int) -> list[int]:
    """Processes whose parent this is."""
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - /proc is no place for Path objects
        if not entry.isdecimal():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 - /proc is no place for Path objects
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(entry))
    return found


def end_group(leader: "subprocess.Popen[bytes]") -> None:
    """Ends a process group, politely first, and waits for its leader, which was started in a session of its own."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(leader.pid, sign)
            leader.wait(_STOP_SECONDS)
        except ProcessLookupError:
            leader.wait()
        except subprocess.TimeoutExpired:
            continue
        return
