"""How slow an upload may be. Pure: it is told how long was waited and what came."""

WINDOW_SECONDS = 60.0
"""The rate is measured over this much waiting: radio links pause for seconds, attackers for ever."""


class Pace:
    """Counts only time spent waiting for the sender: a slow store is not the sender's fault."""

    def __init__(self, min_bytes_per_second: int, window_seconds: float = WINDOW_SECONDS) -> None:
        self._min_rate = min_bytes_per_second
        self._window = window_seconds
        self._waited = 0.0
        self._received = 0

    def too_slow(self, waited_seconds: float, received_bytes: int) -> bool:
        """Takes in one wait and what it brought; true if the window that ends now was below the rate."""
        self._waited += waited_seconds
        self._received += received_bytes
        if self._waited < self._window:
            return False
        slow = self._received < self._min_rate * self._waited
        self._waited, self._received = 0.0, 0
        return slow
