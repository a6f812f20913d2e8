"""How fast an account may be used: requests a minute, audio seconds an hour. Pure; told the time, it says how long.

Both are held to over every window of that length, not only the clock's: no burst at the turn of the hour.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0
LEAST_BILLED_SECONDS: Final = 10.0
"""Groq counts a shorter file as ten seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. The defaults are those of Groq's base tier."""

    requests_per_minute: int | None = 20
    audio_seconds_per_hour: float | None = 7200.0


UNLIMITED = Limits(None, None)


@dataclass(frozen=True, slots=True)
class Booking:
    at: float
    seconds: float


class Pace:
    """Remembers what was sent. Times are seconds since the epoch, so that a run that was broken off still counts."""

    def __init__(self, limits: Limits, sent: Iterable[Booking] = ()) -> None:
        self._limits = limits
        self._sent = sorted(sent, key=lambda booking: booking.at)
        self._paused_until = 0.0

    def delay(self, now: float, seconds: float) -> float:
        """How long to wait before a file of this length may go; 0: now. One over the limit goes when all is quiet."""
        self._sent = [booking for booking in self._sent if booking.at > now - HOUR]
        return max(
            self._paused_until - now,
            self._until_a_request_fits(now),
            self._until_audio_fits(now, max(seconds, LEAST_BILLED_SECONDS)),
            0.0,
        )

    def book(self, now: float, seconds: float) -> Booking:
        booking = Booking(now, max(seconds, LEAST_BILLED_SECONDS))
        self._sent.append(booking)
        return booking

    def unbook(self, booking: Booking) -> None:
        """It was refused, so it did not count."""
        if booking in self._sent:
            self._sent.remove(booking)

    def pause(self, until: float) -> None:
        """Nothing goes before that: the account itself said so."""
        self._paused_until = max(self._paused_until, until)

    def forecast(self, now: float, lengths: Sequence[float]) -> float:
        """How long these files would wait in all, one after the other, if nothing else took time."""
        trial = Pace(self._limits, self._sent)
        trial._paused_until = self._paused_until
        at = now
        for seconds in lengths:
            while (wait := trial.delay(at, seconds)) > 0:
                at += wait
            trial.book(at, seconds)
        return at - now

    def _until_a_request_fits(self, now: float) -> float:
        allowed = self._limits.requests_per_minute
        if allowed is None or len(self._sent) < allowed:
            return 0.0
        return self._sent[-allowed].at + MINUTE - now

    def _until_audio_fits(self, now: float, seconds: float) -> float:
        allowed = self._limits.audio_seconds_per_hour
        if allowed is None:
            return 0.0
        used = sum(booking.seconds for booking in self._sent)
        wait = 0.0
        for booking in self._sent:
            if used + seconds <= allowed:
                break
            used -= booking.seconds
            wait = booking.at + HOUR - now
        return wait
