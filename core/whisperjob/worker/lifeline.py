"""Ends a worker when it has no reason to go on: its parent died, or SIGTERM came.

Embedded workers have the read end of a pipe as standard input; it closes when the parent dies in whatever way. Then,
and on SIGTERM, all programs are killed and the process ends at once with status 143. Half-written files are invisible
at that moment, because publishing renames only complete files.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from whisperjob.worker.processes.process_group import ProcessGroup

TERMINATED = 143


class Lifeline:
    """Ends this process, and its programs before it."""

    def __init__(self, processes: ProcessGroup, clean_up: Callable[[], None] | None = None) -> None:
        """`clean_up` removes what would be left behind; it must be quick and must not raise."""
        self._processes = processes
        self._clean_up = clean_up
        self._ending = threading.RLock()

    def settle(self) -> None:
        """Does not return if another thread is ending this process: killed programs are no failure to report then."""
        with self._ending:
            pass

    def end(self, code: int, why: str) -> None:
        """Ends the process; does not return. Safe from any thread and from a signal handler."""
        self._ending.acquire()
        self._processes.kill_all()
        if self._clean_up is not None:
            self._clean_up()
        with suppress(OSError):  # the parent had the other end, so there may be no reader any more
            os.write(2, f"{why}\n".encode())
        os._exit(code)

    def on_terminate(self) -> None:
        """Ends the process on SIGTERM from now on. To be called once, in the main thread."""

        def handle(_signal: int, _frame: FrameType | None) -> None:
            self.end(TERMINATED, "ended by SIGTERM")

        signal.signal(signal.SIGTERM, handle)

    def on_stdin_closed(self) -> None:
        """Ends the process when standard input closes, which is the parent's death. Input before that is ignored."""
        descriptor = sys.stdin.fileno()

        def watch() -> None:
            try:
                while os.read(descriptor, 4096):
                    pass
            except OSError:
                pass
            self.end(TERMINATED, "the parent is gone")

        threading.Thread(target=watch, name="lifeline", daemon=True).start()
