"""Runs ffmpeg, confined, and reads what it writes. The only module here that starts programs."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import RawIOBase
from pathlib import Path
from typing import IO, Self, cast

from whisperjob.model.errors import WhisperJobError
from whisperjob.worker.lifeline import ProcessGroup
from whisperjob.worker.sandbox import bare_environment, confined

_SAID_BYTES = 4096


class ProgramError(WhisperJobError):
    """ffmpeg is missing or was ended by a signal: nobody's recording is at fault."""


class Running:
    """A program whose standard output is read by the caller."""

    def __init__(self, process: subprocess.Popen[bytes], output: RawIOBase, said: IO[bytes]) -> None:
        self.output = output
        self._process = process
        self._said = b""
        self._listener = threading.Thread(target=self._listen, args=(said,), daemon=True)
        self._listener.start()

    def _listen(self, stream: IO[bytes]) -> None:
        while piece := stream.read(_SAID_BYTES):
            self._said = (self._said + piece)[-_SAID_BYTES:]

    def ended(self) -> str:
        """Once its output is read to the end: what it said, which is empty or a complaint. Raises ProgramError."""
        code = self._process.wait()
        self._listener.join()
        said = " ".join(self._said.decode(errors="replace").split())
        if code < 0 or code in (126, 127):
            raise ProgramError(f"ffmpeg was ended ({code}): {said[-300:]}")
        return said


@dataclass(frozen=True, slots=True)
class Programs:
    """Where ffmpeg is, and who ends it."""

    ffmpeg: str
    processes: ProcessGroup = field(default_factory=ProcessGroup)

    @classmethod
    def find(cls, ffmpeg: str = "ffmpeg", *, processes: ProcessGroup | None = None) -> Self:
        """Raises ProgramError if it is not there."""
        found = shutil.which(ffmpeg)
        if found is None:
            raise ProgramError(f"ffmpeg was not found ({ffmpeg})")
        return cls(str(Path(found).absolute()), processes or ProcessGroup())

    @contextmanager
    def reading(self, argv: list[str]) -> Iterator[Running]:
        """The program lives no longer than the block."""
        process = subprocess.Popen(  # noqa: S603  argv is built by us and confined
            confined(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=bare_environment(),
        )
        if process.stdout is None or process.stderr is None:  # cannot be: they were asked for
            raise ProgramError("ffmpeg has no output")
        with self.processes.adopt(process), process:
            try:
                yield Running(process, cast(RawIOBase, process.stdout), process.stderr)
            finally:
                if process.poll() is None:
                    process.kill()
