"""The time, as records and workers carry it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """Returns the current time in UTC, cut to milliseconds: the API shows what is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def build_steady_clock(
    wall: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic
) -> Callable[[], datetime]:
    """Returns a clock that shows the time of day now, and goes on by monotonic time: no later jump changes it."""
    began = wall() - timedelta(seconds=monotonic())
    return lambda: began + timedelta(seconds=monotonic())
