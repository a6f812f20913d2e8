"""The lowest rate at which an upload may arrive. Pure: the caller measures the time."""

WINDOW_SECONDS = 60.0
"""The rate is measured over this much waiting: radio links pause for seconds, attackers for ever."""


class UploadRate:
    """The rate of one upload. Only time spent waiting for the sender counts: a slow store is not the sender's fault."""

    def __init__(self, min_bytes_per_second: int, window_seconds: float = WINDOW_SECONDS) -> None:
        self._min_rate = min_bytes_per_second
        self._window = window_seconds
        self._waited = 0.0
        self._received = 0

    def is_too_slow_after(self, waited_seconds: float, received_bytes: int) -> bool:
        """Adds one wait and the bytes that ended it; returns whether a window ended now, and was below the rate."""
        self._waited += waited_seconds
        self._received += received_bytes
        if self._waited < self._window:
            return False
        too_slow = self._received < self._min_rate * self._waited
        self._waited, self._received = 0.0, 0
        return too_slow
