"""Whether to try again, and after how long. Pure: chance and clock come from outside."""

from dataclasses import dataclass

from whisperjob_client.errors import (
    ApiError,
    ClientError,
    DiarizationUnavailableError,
    UnavailableError,
    UnreachableError,
)

_SERVER_BUSY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` in all; the wait before attempt n+1 is base × 2ⁿ⁻¹ seconds, jittered by half, at most `cap_seconds`.

    A Retry-After is always waited out, never cut short; one longer than `longest_wait_seconds` is not waited for.
    """

    attempts: int = 4
    base_seconds: float = 0.5
    cap_seconds: float = 20.0
    longest_wait_seconds: float = 120.0


NO_RETRIES = RetryPolicy(attempts=1)


def retry_delay(
    policy: RetryPolicy, error: ClientError, *, failed: int, repeatable: bool, connected: bool, chance: float
) -> float | None:
    """Seconds until the next attempt after `failed` failed ones; None: give up.

    `connected`: the request may have reached the server. `chance` is from 0 to 1.
    """
    if failed >= policy.attempts or not _worth_it(error, repeatable, connected):
        return None
    backoff: float = min(policy.base_seconds * 2 ** (failed - 1), policy.cap_seconds) * (0.5 + chance / 2)
    asked = error.retry_after_seconds if isinstance(error, ApiError) else None
    if asked is None:
        return backoff
    return max(asked, backoff) if asked <= policy.longest_wait_seconds else None


def _worth_it(error: ClientError, repeatable: bool, connected: bool) -> bool:
    """What may not be repeated is tried again only where it surely had no effect."""
    match error:
        case UnreachableError():
            return repeatable or not connected
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
    """Whether the server may only be restarting: worth waiting out by someone who waits anyway."""
    if isinstance(error, UnavailableError):
        return error.status in _SERVER_BUSY and not isinstance(error, DiarizationUnavailableError)
    return isinstance(error, UnreachableError) or (isinstance(error, ApiError) and error.status == 500)
