"""Pipes through which a program reports while it runs."""

import fcntl
import os
import select
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import RawIOBase
from typing import Protocol

_AVAILABLE_BYTES = 65_536
_LARGE_PIPE_BYTES = 1024 * 1024
"""As much as Linux allows to everybody."""

_PATIENCE_MS = 20


class ReportPipe(Protocol):
    """A pipe that a program writes reports into, besides its standard output."""

    @property
    def fd(self) -> int:
        """The program's end."""
        ...

    def release(self) -> None:
        """Closes this process's copy of the program's end. The end of the stream would never come otherwise."""
        ...

    def join(self) -> None:
        """Waits, after the end of the program, until nothing of what it wrote is left to be consumed."""
        ...


class LineReader:
    """A pipe that a program writes lines into, and the thread that reads them as they come."""

    def __init__(self, consume: Callable[[Iterable[str]], None]) -> None:
        """`consume` is called once, on the reader's thread, with all lines. `fd` is the end for the program."""
        reading, self.fd = os.pipe()
        self._file = os.fdopen(reading, encoding="utf-8", errors="replace")
        self._thread = threading.Thread(target=self._read, args=(consume,), daemon=True)
        self._thread.start()

    def _read(self, consume: Callable[[Iterable[str]], None]) -> None:
        with self._file:
            consume(self._file)

    def release(self) -> None:
        """Closes this process's copy of the program's end. The end of the stream would never come otherwise."""
        os.close(self.fd)

    def join(self) -> None:
        """Waits until the last line was consumed."""
        self._thread.join()


class PolledPipe:
    """A pipe whose lines are taken when the caller wants them, without a thread.

    It is large, because a program that reports more than fits waits until somebody takes it. Where a large pipe is
    refused, `read_beside` takes the reports when the program seems to wait.
    """

    def __init__(self) -> None:
        reading, self.fd = os.pipe()
        with suppress(OSError, AttributeError):  # not every system can change the size
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _LARGE_PIPE_BYTES)
        os.set_blocking(reading, False)
        self._file = os.fdopen(reading, "rb", buffering=0)
        self._reports = select.poll()
        self._reports.register(reading, select.POLLIN)
        self._pieces: list[bytes] = []
        self._ended = False

    def take_lines(self, *, wait: bool = False) -> list[bytes]:
        """Returns the whole lines that are there now. With `wait`, it waits for one, and returns none at the end."""
        while True:
            self._fill()
            *lines, rest = b"".join(self._pieces).split(b"\n")
            self._pieces = [rest]
            if lines or self._ended or not wait:
                return lines
            self._reports.poll()

    def read_beside(self, output: RawIOBase, count: int) -> bytes:
        """Reads from another output of the program, which may be waiting for its reports to be taken."""
        ready = select.poll()
        ready.register(output, select.POLLIN)
        while not ready.poll(_PATIENCE_MS):
            self._fill()
        return output.read(count) or b""

    def _fill(self) -> None:
        while piece := self._file.read(_AVAILABLE_BYTES):
            self._pieces.append(piece)
        self._ended = piece == b""

    def release(self) -> None:
        """Closes this process's copy of the program's end."""
        os.close(self.fd)

    def join(self) -> None:
        """Closes the pipe: what was not taken is not wanted."""
        self._file.close()
