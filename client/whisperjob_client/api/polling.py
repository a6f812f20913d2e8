"""How to wait for something that takes from a second to hours. Pure: told what was seen and when, it says what next."""

from dataclasses import dataclass

from whisperjob_client.errors import ApiError, ClientError, WaitTimeoutError
from whisperjob_client.retrying import is_passing

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 5.0
GROWTH = 1.4


@dataclass(frozen=True, slots=True)
class Patience:
    """`total_seconds`: the whole wait, None for ever. `restart_seconds`: how long nobody may answer at a stretch."""

    total_seconds: float | None = None
    restart_seconds: float = 600.0


class Poll:
    """Asks often while things move, seldom while they stand still, and outlives a restart of the server."""

    def __init__(self, patience: Patience, now: float) -> None:
        self._patience = patience
        self._begun = now
        self._heard = now
        self._interval = FIRST_SECONDS
        self._last: object = None

    def seen(self, state: object, now: float) -> float:
        """Seconds until the next look, after `state` was seen. Raises WaitTimeoutError when time is up."""
        moved, self._last, self._heard = state != self._last, state, now
        self._interval = FIRST_SECONDS if moved else min(self._interval * GROWTH, LONGEST_SECONDS)
        return self._within_time(self._interval, now)

    def failed(self, error: ClientError, now: float) -> float:
        """Seconds until the next look, after none was possible. Raises `error` if waiting is pointless by now."""
        if not is_passing(error) or now - self._heard >= self._patience.restart_seconds:
            raise error
        self._interval = min(self._interval * GROWTH, LONGEST_SECONDS)
        asked = error.retry_after_seconds if isinstance(error, ApiError) else None
        return self._within_time(max(self._interval, min(asked or 0.0, 60.0)), now)

    def _within_time(self, interval: float, now: float) -> float:
        if self._patience.total_seconds is None:
            return interval
        left = self._begun + self._patience.total_seconds - now
        if left <= 0:
            raise WaitTimeoutError(f"It did not end within {self._patience.total_seconds:g} s; it goes on without us.")
        return min(interval, left)
