"""How long to wait before something that failed is tried again. Pure: the caller passes the random number."""

from dataclasses import dataclass
from datetime import timedelta

_MAX_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff: the first wait is `base`, each next one is twice as long, and none is longer than `cap`.

    `jitter` is the share by which a wait may be shorter or longer (0.2: from 80 % to 120 %), so that many clients that
    failed together do not come back together.
    """

    base: timedelta
    cap: timedelta
    jitter: float = 0.0

    def wait(self, failures: int, chance: float = 0.5) -> timedelta:
        """The wait after so many failures in a row (the first is 1). `chance`, 0 to 1, is the place in the jitter."""
        doublings = min(max(failures, 1) - 1, _MAX_DOUBLINGS)
        wait: timedelta = min(self.base * 2**doublings, self.cap)
        return wait * (1 + self.jitter * (2 * chance - 1))
