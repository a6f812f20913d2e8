"""Whether a tenant has reached its limits of a day, and when it may go on. Pure.

Both count what a tenant's jobs used in the last 24 hours, those that were deleted since among them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from whisperjob.model.usage import DAY, Use

GUESSED_BYTES_PER_SECOND: Final = 4000
"""Speech is rarely stored in less. It is the guess for a recording on which a worker has begun, until its length is
known a few seconds later: without it, a thousand could begin at once."""


def bytes_wait(uses: Iterable[Use], coming_bytes: int, limit: int, now: datetime) -> timedelta | None:
    """Returns how long an upload of so many bytes has to wait: zero if it may come now, None if it never may."""
    return _wait(((use.created_at, float(use.size_bytes)) for use in uses), float(coming_bytes), float(limit), now)


def audio_wait(uses: Iterable[Use], limit_hours: float, now: datetime) -> timedelta:
    """Returns how long a tenant's next recording has to wait; zero if it may be worked on now.

    It may begin as long as something is left, whatever its own length: that is not known before.
    """
    sounds = ((use.started_at or use.created_at, use.audio_seconds or 0.0) for use in uses)
    wait = _wait(sounds, 0.001, limit_hours * 3600, now)
    return DAY if wait is None else wait


def guess_audio(use: Use) -> Use:
    """Returns the use with a guess of the length of its sound, if that is not known."""
    if use.audio_seconds is not None:
        return use
    return Use(use.uid, use.created_at, use.size_bytes, use.started_at, use.size_bytes / GUESSED_BYTES_PER_SECOND)


def _wait(amounts: Iterable[tuple[datetime, float]], coming: float, limit: float, now: datetime) -> timedelta | None:
    """Returns when the oldest amounts that have to expire have done so."""
    if coming > limit:
        return None
    counted = sorted((moment, amount) for moment, amount in amounts if moment + DAY > now)
    excess = sum(amount for _, amount in counted) + coming - limit
    wait = timedelta(0)
    for moment, amount in counted:
        if excess <= 0:
            break
        excess -= amount
        wait = moment + DAY - now
    return wait
