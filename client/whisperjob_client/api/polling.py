"""How to wait for something that takes from a second to hours. Pure: states and times come from outside."""

from dataclasses import dataclass

from whisperjob_client.api.retrying import is_passing
from whisperjob_client.backoff import Backoff
from whisperjob_client.errors import ApiError, ClientError, WaitTimeoutError

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 5.0

_INTERVALS = Backoff(FIRST_SECONDS, LONGEST_SECONDS, growth=1.4)
_LONGEST_RETRY_AFTER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a caller waits.

    `total_seconds` limits the whole wait; None waits for ever. `restart_seconds` limits how long the server may be
    unavailable without a break.
    """

    total_seconds: float | None = None
    restart_seconds: float = 600.0


class Poll:
    """The intervals of one wait: short while the state changes, long while it does not, across a server's restart."""

    def __init__(self, patience: Patience, now: float) -> None:
        self._patience = patience
        self._begun = now
        self._last_answer = now
        self._unchanged = 1
        self._state: object = None

    def after_state(self, state: object, now: float) -> float:
        """Returns the seconds until the next request, after one that found `state`.

        Raises WaitTimeoutError when the time is up.
        """
        self._unchanged = self._unchanged + 1 if state == self._state else 1
        self._state, self._last_answer = state, now
        return self._within_time(_INTERVALS.wait(self._unchanged), now)

    def after_error(self, error: ClientError, now: float) -> float:
        """Returns the seconds until the next request, after one that failed.

        Raises `error` if waiting does not help, WaitTimeoutError when the time is up.
        """
        if not is_passing(error) or now - self._last_answer >= self._patience.restart_seconds:
            raise error
        self._unchanged += 1
        retry_after = error.retry_after_seconds if isinstance(error, ApiError) else None
        interval = max(_INTERVALS.wait(self._unchanged), min(retry_after or 0.0, _LONGEST_RETRY_AFTER_SECONDS))
        return self._within_time(interval, now)

    def _within_time(self, interval: float, now: float) -> float:
        if self._patience.total_seconds is None:
            return interval
        remaining = self._begun + self._patience.total_seconds - now
        if remaining <= 0:
            raise WaitTimeoutError(
                f"No result within {self._patience.total_seconds:g} s; the service continues the work."
            )
        return min(interval, remaining)
