"""The engine's clock: it notices when the system's time of day jumps, and measures running work by monotonic time.

The time of day is what a machine believes. It jumps when it is set, when a time server corrects it, when a virtual
machine is restored and when a laptop wakes up. Deadlines of running work therefore count monotonic time, from the
moment at which this process saw the work begin. Retention has to count the time of day; so nothing is deleted because
of its age for a grace time after a jump, and a clock that is put right within that time has cost nothing.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cachetools import LRUCache

from whisperjob.model.clock import utc_now
from whisperjob.model.resource import WhisperJob

log = logging.getLogger(__name__)

JUMP_TOLERANCE: Final = timedelta(minutes=1)
"""Time servers correct a clock that runs by far less at a time."""
DELETION_GRACE: Final = timedelta(hours=1)
"""For how long nothing is deleted because of its age after a jump, by monotonic time."""
LONGEST_ABSENCE: Final = timedelta(hours=2)
"""A service that was last seen longer ago was off, or its clock is wrong now: these cannot be told apart."""
_SHORTEST_GRACE: Final = timedelta(minutes=10)
"""A grace time that a restart interrupts goes on; this much of it remains, for the clock may have jumped again."""
_LONGEST_WAIT: Final = timedelta(hours=1)
"""No back-off is longer; a moment that seems to be further ahead was written by a clock that is wrong."""
_REMEMBERED_MOMENTS: Final = 100_000
"""Some 20 MB at most: a job that is not idle has four."""


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What the last run recorded: the latest time of day that it trusted, and what remained of a grace time."""

    at: datetime
    held: timedelta = timedelta(0)


class WatchedClock:
    """The time of day, whether it can be trusted, and ages that do not depend on it. One event loop.

    A new clock is not trusted: `resume` compares it with what earlier runs have recorded.
    """

    def __init__(self, wall: Callable[[], datetime] = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._last_wall, self._last_monotonic = wall(), monotonic()
        self._held_until = self._last_monotonic + DELETION_GRACE.total_seconds()
        self._began_at: LRUCache[datetime, float] = LRUCache(_REMEMBERED_MOMENTS)
        """Moments of the time of day, and the monotonic time at which their age was zero."""
        self._settled = False
        self.jumps = 0
        """How often the time of day has jumped."""

    def now(self) -> datetime:
        """Returns the time of day, and notices whether it has jumped."""
        wall, monotonic = self._wall(), self._monotonic()
        jump = (wall - self._last_wall) - timedelta(seconds=monotonic - self._last_monotonic)
        self._last_wall, self._last_monotonic = wall, monotonic
        if abs(jump) > JUMP_TOLERANCE:
            self.jumps += 1
            ahead = jump > timedelta(0)
            self._hold(f"the clock has jumped {_say(abs(jump))} {'ahead' if ahead else 'back'}")
        return wall

    def resume(self, last_seen: LastSeen | None, newest_record: datetime | None) -> None:
        """Compares the time of day with what earlier runs have recorded; None where they have recorded nothing."""
        now = self.now()
        if self.jumps:
            return
        held = last_seen.held if last_seen else timedelta(0)
        grace = min(max(held, _SHORTEST_GRACE), DELETION_GRACE) if held else DELETION_GRACE
        moments = [moment for moment in (last_seen.at if last_seen else None, newest_record) if moment is not None]
        absence = now - moments[0] if moments else timedelta(0)
        if moments and max(moments) - now > JUMP_TOLERANCE:
            self._hold(f"the clock is {_say(max(moments) - now)} behind what the last run has recorded", grace)
        elif absence > LONGEST_ABSENCE:
            self._hold(f"the service last ran {_say(absence)} ago, or the clock is wrong", grace)
        elif held:
            self._hold("the clock jumped while the service last ran", grace)
        else:
            self._held_until = float("-inf")

    def monotonic(self) -> float:
        """Returns seconds since some moment, which no jump changes."""
        return self._monotonic()

    def held(self) -> timedelta:
        """Returns for how long nothing may be deleted because of its age; zero when it may be."""
        self.now()
        return timedelta(seconds=max(0.0, self._held_until - self._monotonic()))

    def age(self, moment: datetime) -> timedelta:
        """Returns how long ago this moment was, by monotonic time since the first call; negative if it is ahead.

        While the clock is not trusted, and once it has settled, a moment is new at its first call. Other clocks may
        have written it (of the API server, of a node), and these may be wrong: better late than wrong.
        """
        began = self._began_at.get(moment)
        if began is None:
            began = self._began_at[moment] = self._monotonic() - self._first_age(moment).total_seconds()
        return timedelta(seconds=self._monotonic() - began)

    def settle(self) -> None:
        """Says that all that was there at the start was asked for: what is asked for from now on has begun since."""
        self._settled = True

    def _first_age(self, moment: datetime) -> timedelta:
        age = self.now() - moment
        if self._settled or self.held():
            age = min(age, timedelta(0))
        return max(age, -_LONGEST_WAIT)

    def _hold(self, why: str, grace: timedelta = DELETION_GRACE) -> None:
        self._held_until = self._monotonic() + grace.total_seconds()
        log.warning("%s: nothing is deleted because of its age for %s", why, _say(grace))


def newest_moment(jobs: Iterable[WhisperJob]) -> datetime | None:
    """Returns the latest moment that any record contains, None if there are no records."""
    return max((moment for job in jobs for moment in _moments_of(job)), default=None)


def _moments_of(job: WhisperJob) -> Iterator[datetime]:
    yield job.metadata.creation_timestamp
    for moment in (job.status.start_time, job.status.completion_time):
        if moment is not None:
            yield moment
    for condition in job.status.conditions:
        yield condition.last_transition_time


def _say(time_span: timedelta) -> str:
    """Writes a time span in the largest unit that fits."""
    seconds = time_span.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"
