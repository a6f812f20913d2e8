"""Lets the progress of each worker through at most once per interval, for each is a write of a status."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from whisperjob.deciding.decision import ProgressReport


@dataclass(slots=True)
class _Entry:
    latest: ProgressReport
    passed: ProgressReport | None = None
    passed_at: float = 0.0


class ProgressThrottle:
    """The progress of workers by the uid of their job. One event loop."""

    def __init__(self, interval: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval.total_seconds()
        self._monotonic = monotonic
        self._entries: dict[str, _Entry] = {}

    def put(self, uid: str, report: ProgressReport) -> None:
        """Records a report; one that falls behind what its attempt reported before changes nothing."""
        entry = self._entries.setdefault(uid, _Entry(report))
        known = entry.latest
        if known.stage is report.stage and (known.attempt, known.percent) > (report.attempt, report.percent):
            return
        entry.latest = report

    def take(self, uid: str) -> ProgressReport | None:
        """Returns what may be written now: the latest report if its time has come, else the one that passed before."""
        entry = self._entries.get(uid)
        if entry is None:
            return None
        if self.pending(uid) and not self.wait(uid):
            entry.passed, entry.passed_at = entry.latest, self._monotonic()
        return entry.passed

    def pending(self, uid: str) -> bool:
        """Whether the latest report has not passed yet."""
        entry = self._entries.get(uid)
        return entry is not None and entry.latest != entry.passed

    def wait(self, uid: str) -> timedelta:
        """Returns how long the latest report must wait. Zero if it may pass or has passed.

        The first report of an attempt never waits.
        """
        entry = self._entries.get(uid)
        if entry is None or entry.passed is None or not self.pending(uid):
            return timedelta(0)
        if (entry.passed.stage, entry.passed.attempt) != (entry.latest.stage, entry.latest.attempt):
            return timedelta(0)
        return timedelta(seconds=max(0.0, entry.passed_at + self._interval - self._monotonic()))

    def forget(self, uid: str) -> None:
        """Drops what is known of a job's workers."""
        self._entries.pop(uid, None)
