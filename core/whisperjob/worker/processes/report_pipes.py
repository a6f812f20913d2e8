"""Pipes through which a program reports while it runs."""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

_AVAILABLE_BYTES = 65_536


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
    """A pipe whose lines are taken when the caller wants them, without a thread and without waiting."""

    def __init__(self) -> None:
        reading, self.fd = os.pipe()
        os.set_blocking(reading, False)
        self._file = os.fdopen(reading, "rb", buffering=0)
        self._rest = b""

    def take_lines(self) -> list[bytes]:
        """Returns the whole lines that are there now."""
        data = self._rest
        while piece := self._file.read(_AVAILABLE_BYTES):
            data += piece
        *lines, self._rest = data.split(b"\n")
        return lines

    def release(self) -> None:
        """Closes this process's copy of the program's end."""
        os.close(self.fd)

    def join(self) -> None:
        """Closes the pipe: what was not taken is not wanted."""
        self._file.close()
