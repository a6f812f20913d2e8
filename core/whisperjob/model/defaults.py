"""Defaults that several parts need: settings, decisions and workers take them from here."""

from datetime import timedelta
from typing import Final

from whisperjob.model.backoff import Backoff

RETENTION: Final = timedelta(days=7)
START_DEADLINE: Final = timedelta(hours=24)
RUN_DEADLINE: Final = timedelta(hours=6)
MAX_FAILURES: Final = 3
RETRY: Final = Backoff(base=timedelta(seconds=5), cap=timedelta(minutes=5))
STUCK_AFTER: Final = timedelta(minutes=2)
MAX_DURATION: Final = timedelta(hours=24)
MAX_SCRATCH_BYTES: Final = 12 * 1024**3
