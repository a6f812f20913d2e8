"""The programs of one worker as a group that is killed together."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Killable(Protocol):
    """A process that can be killed, such as a subprocess.Popen."""

    def kill(self) -> None:
        """Kills the process. It does nothing if the process has ended and was reaped."""
        ...


class ProcessGroup:
    """The programs that run now, so that all can be killed at once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._alive: list[Killable] = []
        self._ending = False

    @contextmanager
    def adopt(self, process: Killable) -> Iterator[None]:
        """Makes `process` a member of the group for the length of the block."""
        with self._lock:
            self._alive.append(process)
            if self._ending:
                process.kill()
        try:
            yield
        finally:
            with self._lock:
                self._alive.remove(process)

    def kill_all(self) -> None:
        """Kills all members, and every process that is adopted afterwards."""
        with self._lock:
            self._ending = True
            for process in self._alive:
                process.kill()
