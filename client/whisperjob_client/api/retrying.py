"""Whether to try again, and after how long. Pure: the caller passes the random number and the time."""

from dataclasses import dataclass

from whisperjob_client.backoff import Backoff
from whisperjob_client.errors import (
    ApiError,
    ClientError,
    DiarizationUnavailableError,
    SlowAnswerError,
    UnavailableError,
    UnreachableError,
)

_SERVER_BUSY = frozenset({429, 502, 503, 504})
_JITTER = 0.5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a request is tried.

    There are at most `attempts`; the wait before attempt n+1 is base × 2ⁿ⁻¹ seconds, shortened by up to half at random,
    and at most `cap_seconds`. A Retry-After is waited for in full; one longer than `longest_wait_seconds` ends the
    attempts.
    """

    attempts: int = 4
    base_seconds: float = 0.5
    cap_seconds: float = 20.0
    longest_wait_seconds: float = 120.0

    @property
    def backoff(self) -> Backoff:
        """It is the back-off between two attempts."""
        return Backoff(self.base_seconds, self.cap_seconds, jitter=_JITTER)


NO_RETRIES = RetryPolicy(attempts=1)


def retry_delay(
    policy: RetryPolicy, error: ClientError, *, failures: int, repeatable: bool, may_have_arrived: bool, chance: float
) -> float | None:
    """Returns the seconds until the next attempt after `failures` in a row; None to give up.

    `may_have_arrived` says whether the request may have reached the server. `chance` is a random number from 0 to 1.
    """
    if failures >= policy.attempts or not _may_help(error, repeatable, may_have_arrived):
        return None
    backoff = policy.backoff.wait(failures, chance)
    retry_after = error.retry_after_seconds if isinstance(error, ApiError) else None
    if retry_after is None:
        return backoff
    return max(retry_after, backoff) if retry_after <= policy.longest_wait_seconds else None


def _may_help(error: ClientError, repeatable: bool, may_have_arrived: bool) -> bool:
    """Returns whether another attempt may succeed. One that is not repeatable must surely have had no effect."""
    match error:
        case SlowAnswerError():
            return False
        case UnreachableError():
            return repeatable or not may_have_arrived
        case DiarizationUnavailableError():
            return False
        case ApiError() if error.status in _SERVER_BUSY:
            return repeatable or error.status == 429 or error.retry_after_seconds is not None
        case ApiError():
            return repeatable and (
                error.status == 500 or (error.status == 409 and error.retry_after_seconds is not None)
            )
        case _:
            return False


def is_passing(error: ClientError) -> bool:
    """Returns whether the server may only be restarting, which a caller who waits anyway can wait for."""
    if isinstance(error, UnavailableError):
        return error.status in _SERVER_BUSY and not isinstance(error, DiarizationUnavailableError)
    return isinstance(error, UnreachableError) or (isinstance(error, ApiError) and error.status == 500)
