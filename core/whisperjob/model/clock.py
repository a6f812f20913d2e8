"""The time, as records and workers carry it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """With milliseconds: what the API shows is what is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
