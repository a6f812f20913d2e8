"""How fast an upload arrives, and the lowest rate at which it may. Pure: the caller measures the time."""

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


ARRIVAL_WINDOW_SECONDS = 5.0
"""An upload is as fast as in the last one to two of these windows: a fast start is soon forgotten."""


class ArrivalRate:
    """How fast an upload has arrived lately, however it was held up. It began at `now`, in seconds of any clock."""

    def __init__(self, now: float, window_seconds: float = ARRIVAL_WINDOW_SECONDS) -> None:
        self._window = window_seconds
        self._began = self._middle = now
        self._earlier = self._later = 0

    def add(self, received_bytes: int, now: float) -> None:
        """Adds bytes that have arrived."""
        self._move(now)
        self._later += received_bytes

    def bytes_per_second(self, now: float) -> float:
        """Returns the rate, over one second at least."""
        self._move(now)
        return (self._earlier + self._later) / max(now - self._began, 1.0)

    def _move(self, now: float) -> None:
        if now - self._middle >= self._window:
            self._began, self._middle = self._middle, now
            self._earlier, self._later = self._later, 0
