"""What one program may use at most; confine.py makes resource limits of it."""

from dataclasses import dataclass
from enum import StrEnum


class Resource(StrEnum):
    """A resource whose limit the kernel enforces by a signal, so that the program's end tells which one it was."""

    CPU = "processor time"
    FILE = "file size"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one program. None leaves the default. A limit is never above that of this process."""

    cpu_seconds: int | None = None
    """Processor time of all its threads together. The kernel kills a program that needs more. By default no limit."""

    memory_bytes: int | None = None
    """Address space, by default ADDRESS_SPACE_BYTES. A program that asks for more is refused it and fails by itself."""

    file_bytes: int | None = None
    """The size of any file it writes. The kernel kills a program that writes more. By default no limit."""

    processes: int | None = None
    """Threads of its user, all together, by default THREADS. It holds only where the program has a user of its own."""

    def to_list(self, *, own_user: bool) -> list[tuple[str, int]]:
        """Returns the limits as confine.py takes them, for a program with a user of its own or with that of others."""
        memory_bytes = ADDRESS_SPACE_BYTES if self.memory_bytes is None else self.memory_bytes
        threads = (THREADS if self.processes is None else self.processes) if own_user else None
        values = {"CPU": self.cpu_seconds, "AS": memory_bytes, "FSIZE": self.file_bytes, "NPROC": threads}
        return [(name, value) for name, value in values.items() if value is not None]


ADDRESS_SPACE_BYTES = 8 * 1024**3
"""ffmpeg maps about half a GiB of libraries. The limit ends a runaway decoder before it takes the machine's memory."""

THREADS = 4096
"""Some ten times what all programs of a worker start on a machine with a hundred cores."""

DEFAULT_LIMITS = Limits()
