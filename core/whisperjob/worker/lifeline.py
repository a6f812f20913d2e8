"""A worker must not outlive its reason: its parent, or the patience of whoever sent SIGTERM.

Embedded workers hold the read end of a pipe as standard input; when the parent dies in whatever way, it closes. Then,
and on SIGTERM, every child is killed and the process ends at once with 143. Half-written files are invisible by then:
publishing renames what is whole.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Protocol

TERMINATED = 143


class Killable(Protocol):
    def kill(self) -> None:
        """Harmless on a process that has ended and was reaped (as subprocess.Popen's is)."""
        ...


class ProcessGroup:
    """The programs that run now, so that all can be ended at once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._alive: list[Killable] = []
        self._ending = False

    @contextmanager
    def adopt(self, child: Killable) -> Iterator[None]:
        with self._lock:
            self._alive.append(child)
            if self._ending:
                child.kill()
        try:
            yield
        finally:
            with self._lock:
                self._alive.remove(child)

    def kill_all(self) -> None:
        """Ends them all, and whatever is still adopted afterwards."""
        with self._lock:
            self._ending = True
            for child in self._alive:
                child.kill()


class Lifeline:
    """Ends this process, processes first."""

    def __init__(self, processes: ProcessGroup, clean_up: Callable[[], None] | None = None) -> None:
        """`clean_up` removes what would stay behind; it must be quick and must not raise."""
        self._children = processes
        self._clean_up = clean_up
        self._ending = threading.RLock()

    def settle(self) -> None:
        """Does not return if another thread is ending this process: killed processes are no failure to tell of then."""
        with self._ending:
            pass

    def end(self, code: int, why: str) -> None:
        """Does not return; safe from any thread and from a signal handler."""
        self._ending.acquire()
        self._children.kill_all()
        if self._clean_up is not None:
            self._clean_up()
        with suppress(OSError):  # nobody reads any more: the parent held the other end
            os.write(2, f"{why}\n".encode())
        os._exit(code)

    def on_terminate(self) -> None:
        """To be called in the main thread, once."""

        def handle(_signal: int, _frame: FrameType | None) -> None:
            self.end(TERMINATED, "ended by SIGTERM")

        signal.signal(signal.SIGTERM, handle)

    def on_stdin_closed(self) -> None:
        """Watches standard input from now on: its end is the parent's death. What comes in before it is ignored."""
        descriptor = sys.stdin.fileno()

        def watch() -> None:
            try:
                while os.read(descriptor, 4096):
                    pass
            except OSError:
                pass
            self.end(TERMINATED, "the parent is gone")

        threading.Thread(target=watch, name="lifeline", daemon=True).start()
