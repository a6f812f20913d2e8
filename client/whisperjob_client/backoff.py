"""How long to wait before the next try. Pure: the caller passes the random number."""

from dataclasses import dataclass

_MAX_STEPS = 64
"""By then every wait has reached its cap; a larger exponent would overflow a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off, in seconds: the first wait is `base`, each next one `growth` times as long, up to `cap`.

    `jitter` is the share by which a wait may be shorter (0.5: from 50 % to 100 %), so that clients that failed together
    do not come back together.
    """

    base: float
    cap: float
    growth: float = 2.0
    jitter: float = 0.0

    def wait(self, failures: int, chance: float = 1.0) -> float:
        """Returns the wait after `failures` in a row (the first is 1).

        `chance` is a random number from 0 to 1; 1 gives the longest wait.
        """
        steps = min(max(failures, 1) - 1, _MAX_STEPS)
        wait = min(self.base * self.growth**steps, self.cap)
        return wait * (1 - self.jitter * (1 - chance))
