"""How much a recording may cost, by its bytes and its length: processor time, memory, and the size of answers. Pure.

The limits are far above what any recording needs that was made to be listened to; they end what was made to use up the
machine. The kernel enforces them on each program (limits.py).
"""

from typing import Final

from whisperjob.model.errors import InputError, JobCode
from whisperjob.worker.processes.limits import Limits

PROBE_ANSWER_BYTES: Final = 4 * 2**20
"""Of ffprobe: 256 streams with long titles need a tenth of it."""

_PROGRAM_BYTES: Final = 3 * 2**30
"""Address space. ffmpeg maps half a GiB of libraries, and reserves some more for each of its threads."""

_PROBE_CPU_SECONDS: Final = 10
"""Reading 150 MB, or the index of a day of MP4, takes one or two."""

_DECODE_CPU_SECONDS: Final = 60
_DECODED_BYTES_PER_CPU_SECOND: Final = 50_000
"""The slowest decoders take 50 kbit of Opus or AMR, half a minute of sound, in well under a second."""

_DECODED_SECONDS_PER_CPU_SECOND: Final = 20
"""A slow machine decodes a hundred seconds of eight channels, resampled and measured, in one."""

_LEAST_BYTES_PER_SECOND: Final = 50
"""Of sound whose length no header says: a tenth of what the lowest bit rates take."""


def probe_limits() -> Limits:
    """Returns the limits of ffprobe, whatever the file."""
    return Limits(cpu_seconds=_PROBE_CPU_SECONDS, memory_bytes=_PROGRAM_BYTES, file_bytes=0)


def decode_limits(size_bytes: int, declared_seconds: float | None, max_seconds: int) -> Limits:
    """Returns the limits of a program that opens the recording and decodes all of it once."""
    likely = max(declared_seconds or 0.0, size_bytes / _LEAST_BYTES_PER_SECOND)
    seconds = min(likely, max_seconds)
    cpu = _DECODE_CPU_SECONDS + size_bytes / _DECODED_BYTES_PER_CPU_SECOND + seconds / _DECODED_SECONDS_PER_CPU_SECOND
    return Limits(cpu_seconds=int(cpu), memory_bytes=_PROGRAM_BYTES)


def to_verdict(resource: str) -> InputError:
    """Returns the verdict on a recording that needs more of a resource than its limit."""
    return InputError(
        JobCode.RESOURCE_LIMIT, f"The file needs far more {resource} than a recording of its size and length."
    )
