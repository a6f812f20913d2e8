"""Computes the resources of a worker: bytes of memory and of scratch space, and its priority class. Pure."""

from datetime import timedelta
from math import ceil

_FLOAT_PCM_BYTES_PER_SECOND = 16_000 * 4
_SPARE_BYTES = 64 * 2**20
"""For small files beside the audio, and for what the kubelet counts besides files."""
_HOUR_SECONDS = 3600


def scratch_request_bytes(source_bytes: int, max_duration: timedelta) -> int:
    """Returns what must be free on a node: room for the input and for the PCM of the longest audio allowed."""
    return source_bytes + ceil(max_duration.total_seconds()) * _FLOAT_PCM_BYTES_PER_SECOND + _SPARE_BYTES


def scratch_limit_bytes(source_bytes: int, max_duration: timedelta, max_scratch_bytes: int) -> int:
    """Returns the use at which the pod is evicted. The worker itself ends at `max_scratch_bytes`, with a verdict."""
    return max(source_bytes + max_scratch_bytes + _SPARE_BYTES, scratch_request_bytes(source_bytes, max_duration))


def memory_bytes(usual_bytes: int, factor: float, *, raised: bool) -> int:
    """Returns the memory of a worker; `raised` if an attempt of this job ran out of memory."""
    return ceil(usual_bytes * factor) if raised else usual_bytes


def diarizer_memory_bytes(usual_bytes: int, bytes_per_hour: int, duration_seconds: float) -> int:
    """Returns the memory of a diarizer, which grows with the recording: all of it is in memory at once."""
    return usual_bytes + ceil(bytes_per_hour * duration_seconds / _HOUR_SECONDS)


def find_priority_class(priority: int, classes: dict[str, str]) -> str | None:
    """Returns the class with the highest threshold that `priority` reaches, None if it reaches none."""
    reached = [(int(least), name) for least, name in classes.items() if int(least) <= priority]
    return max(reached)[1] if reached else None
