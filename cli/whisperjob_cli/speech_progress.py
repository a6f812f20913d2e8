"""How far the speech recognition is while it answers: a recogniser says nothing before a chunk's whole answer.

What is known is the audio that is done, and how long a request takes. From the first answer on, the pace of the answers
so far estimates the ones that are awaited; before it, only the time of the wait is shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from whisperjob_client.durations import rough_duration

_LARGEST_SHARE: Final = 0.95
"""The largest estimate for a chunk that has no answer yet: progress must not say that it is finished."""

_SHOWN_SECONDS: Final = 3.0
"""A wait is shown from this length on."""


@dataclass(slots=True)
class _Awaited:
    seconds: float
    since: float


class SpeechProgress:
    """Seconds are those of audio, but for the time of `clock`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._done = 0.0
        self._awaited: list[_Awaited] = []
        self._heard = 0.0
        self._took = 0.0
        self._last: tuple[float, float] | None = None

    def begin(self, done_seconds: float) -> None:
        self._done = done_seconds

    def sent(self, seconds: float) -> None:
        self._awaited.append(_Awaited(seconds, self._clock()))

    def returned(self, seconds: float) -> None:
        """Ends the wait for a chunk, whether it was recognised or refused."""
        for awaited in self._awaited:
            if awaited.seconds == seconds:
                self._awaited.remove(awaited)
                self._last = (seconds, self._clock() - awaited.since)
                return

    def recognised(self, seconds: float) -> None:
        """Counts a chunk as done, and how long its answer took, if one was awaited."""
        self._done += seconds
        if self._last is not None and self._last[0] == seconds:
            self._heard += seconds
            self._took += self._last[1]

    def is_unknown(self) -> bool:
        """Returns whether something is awaited, and no answer so far shows how long that takes."""
        return bool(self._awaited) and not self._took

    def done_seconds(self) -> float:
        """Returns what is done, with an estimate of what is awaited."""
        if not self._took:
            return self._done
        pace, now = self._heard / self._took, self._clock()
        begun = (min((now - one.since) * pace, one.seconds * _LARGEST_SHARE) for one in list(self._awaited))
        return self._done + sum(begun)

    def detail(self) -> str:
        """Returns for how long the oldest answer has been awaited, as an addition to the amount."""
        awaited = list(self._awaited)
        if not awaited:
            return ""
        wait = self._clock() - min(one.since for one in awaited)
        if wait < _SHOWN_SECONDS:
            return ""
        answers = "answer" if len(awaited) == 1 else f"{len(awaited)} answers"
        return f", {answers} awaited for {rough_duration(wait)}"
