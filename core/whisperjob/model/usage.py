"""What a job counts for in its tenant's limits of a day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from whisperjob.model.resource import WhisperJob

DAY: Final = timedelta(hours=24)
"""Limits of a day are those of the last 24 hours: no midnight is one in all time zones."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one job used. `audio_seconds` is None while nobody knows how long its sound is.

    Its bytes count from `created_at`, its sound from `started_at`, or from `created_at` while it has not begun.
    """

    uid: str
    created_at: datetime
    size_bytes: int
    started_at: datetime | None = None
    audio_seconds: float | None = None

    @property
    def counts_until(self) -> datetime:
        """The moment from which on it counts for nothing."""
        return (self.started_at or self.created_at) + DAY


def to_use(job: WhisperJob) -> Use:
    """Returns what a job has used so far."""
    status = job.status
    return Use(
        uid=job.uid,
        created_at=job.metadata.creation_timestamp,
        size_bytes=job.spec.source.size_bytes,
        started_at=status.start_time,
        audio_seconds=status.duration_seconds,
    )
