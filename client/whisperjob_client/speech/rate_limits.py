"""How fast an account may be used: requests per minute, seconds of audio per hour. Pure: the caller passes the time.

Both limits hold for every window of that length, not only for the clock's: there is no burst at the turn of the hour.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

MINUTE: Final = 60.0
HOUR: Final = 3600.0
MIN_BILLED_SECONDS: Final = 10.0
"""Groq counts a shorter file as ten seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of an account; None stands for no limit. The defaults are those of Groq's base tier."""

    requests_per_minute: int | None = 20
    audio_seconds_per_hour: float | None = 7200.0


BASE_TIER = Limits()
UNLIMITED = Limits(None, None)


@dataclass(frozen=True, slots=True)
class Booking:
    """One request that counts against the limits: when it was sent, and how many seconds of audio it counts for."""

    at: float
    seconds: float


class Pace:
    """The requests of the last hour, and when the next one may go.

    Times are seconds since the epoch, so that the requests of an earlier run count too.
    """

    def __init__(self, limits: Limits, sent: Iterable[Booking] = ()) -> None:
        self._limits = limits
        self._sent = sorted(sent, key=lambda booking: booking.at)
        self._paused_until = 0.0

    def delay(self, now: float, seconds: float) -> float:
        """Returns how long a file of this length must wait; 0 if it may go now.

        A file longer than the hourly limit goes when the whole window is free.
        """
        self._sent = [booking for booking in self._sent if now - HOUR < booking.at <= now]  # the clock may go back
        return max(
            self._paused_until - now,
            self._until_request_fits(now),
            self._until_audio_fits(now, max(seconds, MIN_BILLED_SECONDS)),
            0.0,
        )

    def book(self, now: float, seconds: float) -> Booking:
        booking = Booking(now, max(seconds, MIN_BILLED_SECONDS))
        self._sent.append(booking)
        return booking

    def unbook(self, booking: Booking) -> None:
        """Removes a request that was refused, because it does not count."""
        if booking in self._sent:
            self._sent.remove(booking)

    def pause(self, until: float) -> None:
        """Lets nothing go before `until`, because the account itself said so."""
        self._paused_until = max(self._paused_until, until)

    def forecast(self, now: float, lengths: Sequence[float]) -> float:
        """Returns how long these files would wait in total, one after the other, if nothing else took time."""
        trial = Pace(self._limits, self._sent)
        trial._paused_until = self._paused_until
        at = now
        for seconds in lengths:
            while (wait := trial.delay(at, seconds)) > 0:
                at += wait
            trial.book(at, seconds)
        return at - now

    def _until_request_fits(self, now: float) -> float:
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
