"""Measures how late the event loop is, for the liveness probe: a loop that hangs answers no request in time."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_INTERVAL_SECONDS: Final = 0.5


class LoopLag:
    """The lag of the event loop that `watch` runs on."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._due = float("inf")
        self._last_lag = 0.0

    async def watch(self) -> None:
        """Measures until cancelled."""
        while True:
            self._due = self._monotonic() + _INTERVAL_SECONDS
            await asyncio.sleep(_INTERVAL_SECONDS)
            self._last_lag = self._current_lag()

    @property
    def seconds(self) -> float:
        """The last lag, or the present one if that is longer already."""
        return max(self._last_lag, self._current_lag())

    def _current_lag(self) -> float:
        return max(0.0, self._monotonic() - self._due)
