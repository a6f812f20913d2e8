"""Waiting for a condition with a deadline, where nothing can be awaited: files, processes, HTTP."""

import asyncio
import os
import time
from collections.abc import Callable

_STEP_SECONDS = 0.01


async def until(condition: Callable[[], bool], seconds: float = 20, *, what: str = "it") -> None:
    """Raises TimeoutError if the condition does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen in {seconds} s")
        await asyncio.sleep(_STEP_SECONDS)


def until_sync(condition: Callable[[], bool], seconds: float = 20, *, what: str = "it") -> None:
    """`until` for tests without an event loop."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen in {seconds} s")
        time.sleep(_STEP_SECONDS)


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
    for entry in os.listdir("/proc"):  # noqa: PTH208 - as above
        if not entry.isdecimal():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:  # noqa: PTH123 - as above
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(entry))
    return found
