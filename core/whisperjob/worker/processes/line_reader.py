"""Pipes through which a program reports while it runs."""

import os
import threading
from collections.abc import Callable, Iterable


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
