"""Grants expire. A claim that is made again renews them, so that a worker may take as long as its deadline allows."""

from collections.abc import Callable
from datetime import timedelta

from whisperjob.model.clock import utc_now
from whisperjob.model.protocol import Claim

_EXPIRY_MARGIN = timedelta(seconds=30)


class RenewableClaim:
    """A claim whose grants can be renewed. `current` is the newest one."""

    def __init__(self, claim: Claim, claim_again: Callable[[], Claim]) -> None:
        self.current = claim
        self._claim_again = claim_again

    def renew(self) -> None:
        """Replaces all grants, also those that still hold. Raises what `claim_again` raises."""
        self.current = self._claim_again()

    def renew_before_expiry(self) -> None:
        """Replaces the grants if they expire soon. Raises what `claim_again` raises."""
        if self.current.expires_at - _EXPIRY_MARGIN < utc_now():
            self.renew()
