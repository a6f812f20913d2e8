"""Grants expire. A claim that is made again renews them, so that a worker may take as long as its deadline allows."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from whisperjob.model.clock import utc_now
from whisperjob.model.protocol import Claim

_EXPIRY_MARGIN = timedelta(seconds=30)


class RenewableClaim:
    """A claim whose grants can be renewed. `current` is the newest one.

    Its remaining time is measured by monotonic time: a clock that is set back must not keep grants past their end.
    """

    def __init__(
        self,
        claim: Claim,
        claim_again: Callable[[], Claim],
        wall: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._claim_again, self._wall, self._monotonic = claim_again, wall, monotonic
        self._take(claim)

    def _take(self, claim: Claim) -> None:
        self.current = claim
        self._expires_at = self._monotonic() + (claim.expires_at - self._wall()).total_seconds()

    def renew(self) -> None:
        """Replaces all grants, also those that still hold. Raises what `claim_again` raises."""
        self._take(self._claim_again())

    def renew_before_expiry(self) -> None:
        """Replaces the grants if they expire soon. Raises what `claim_again` raises."""
        if self._monotonic() > self._expires_at - _EXPIRY_MARGIN.total_seconds():
            self.renew()
