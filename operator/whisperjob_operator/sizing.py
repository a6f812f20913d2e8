"""Computes the resources of a worker: bytes of memory and of scratch space, and its priority class. Pure."""

from datetime import timedelta
from math import ceil

from whisperjob.model.options import AudioOptions
from whisperjob.model.space import SPARE_BYTES, estimate_need

_HOUR_SECONDS = 3600


def scratch_request_bytes(source_bytes: int, audio: AudioOptions, max_duration: timedelta, max_scratch: int) -> int:
    """Returns what must be free on a node: what the job is expected to need."""
    return estimate_need(source_bytes, audio, max_scratch_bytes=max_scratch, max_duration=max_duration).scratch_bytes


def scratch_limit_bytes(source_bytes: int, max_scratch_bytes: int) -> int:
    """Returns the use at which the pod is evicted. The worker itself ends at `max_scratch_bytes`, with a verdict."""
    return max(source_bytes, max_scratch_bytes) + SPARE_BYTES


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
