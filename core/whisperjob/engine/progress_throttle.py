"""The latest word of every worker, let through at most once per interval: each is a write of a status."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from whisperjob.deciding.decision import Report


@dataclass(slots=True)
class _Kept:
    latest: Report
    told: Report | None = None
    told_at: float = 0.0


class Reports:
    """By the job's uid. One event loop."""

    def __init__(self, interval: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval.total_seconds()
        self._monotonic = monotonic
        self._kept: dict[str, _Kept] = {}

    def put(self, uid: str, report: Report) -> None:
        """Takes in a report; one that goes back behind what its attempt said before changes nothing."""
        kept = self._kept.setdefault(uid, _Kept(report))
        known = kept.latest
        if known.stage is report.stage and (known.attempt, known.percent) > (report.attempt, report.percent):
            return
        kept.latest = report

    def take(self, uid: str) -> Report | None:
        """What may be written now: the latest if it is time for it, else what was let through before."""
        kept = self._kept.get(uid)
        if kept is None:
            return None
        if kept.latest != kept.told and not self.wait(uid):
            kept.told, kept.told_at = kept.latest, self._monotonic()
        return kept.told

    def wait(self, uid: str) -> timedelta:
        """Until the latest may be let through; zero where it may be or was. An attempt's first word never waits."""
        kept = self._kept.get(uid)
        if kept is None or kept.told is None or kept.latest == kept.told:
            return timedelta(0)
        if (kept.told.stage, kept.told.attempt) != (kept.latest.stage, kept.latest.attempt):
            return timedelta(0)
        return timedelta(seconds=max(0.0, kept.told_at + self._interval - self._monotonic()))

    def forget(self, uid: str) -> None:
        self._kept.pop(uid, None)
