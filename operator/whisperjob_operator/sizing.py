"""How much a worker may use: bytes of memory and of scratch space. Pure."""

from datetime import timedelta
from math import ceil

_FLOAT_PCM_BYTES_PER_SECOND = 16_000 * 4
_KEPT_FREE_BYTES = 64 * 2**20
"""For small files beside the audio, and for what the kubelet counts that is no file."""
_HOUR_SECONDS = 3600


def scratch_request_bytes(source_bytes: int, max_duration: timedelta) -> int:
    """What the scheduler must find free on a node: the input and the PCM of the longest audio allowed."""
    return source_bytes + ceil(max_duration.total_seconds()) * _FLOAT_PCM_BYTES_PER_SECOND + _KEPT_FREE_BYTES


def scratch_limit_bytes(source_bytes: int, max_duration: timedelta, max_scratch_bytes: int) -> int:
    """Where the pod is evicted; the worker itself stops at `max_scratch_bytes`, with a verdict."""
    return max(source_bytes + max_scratch_bytes + _KEPT_FREE_BYTES, scratch_request_bytes(source_bytes, max_duration))


def memory_bytes(usual_bytes: int, factor: float, *, raised: bool) -> int:
    """`raised`: an attempt of this job ran out of memory."""
    return ceil(usual_bytes * factor) if raised else usual_bytes


def diarizer_memory_bytes(usual_bytes: int, bytes_per_hour: int, duration_seconds: float) -> int:
    """The whole recording is in memory at once: what is needed grows with its length."""
    return usual_bytes + ceil(bytes_per_hour * duration_seconds / _HOUR_SECONDS)


def priority_class(priority: int, classes: dict[str, str]) -> str | None:
    """The class with the highest threshold that `priority` reaches, None if it reaches none."""
    reached = [(int(least), name) for least, name in classes.items() if int(least) <= priority]
    return max(reached)[1] if reached else None
