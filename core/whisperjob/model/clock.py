"""The time, as records and workers carry it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Returns the current time in UTC, cut to milliseconds: the API shows what is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
