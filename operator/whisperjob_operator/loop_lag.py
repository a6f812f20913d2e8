"""How late the event loop is: what liveness asks, for a loop that hangs answers nobody in time."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

_INTERVAL_SECONDS: Final = 0.5


class LoopLag:
    """Of the loop that `watch` runs on."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._due = float("inf")
        self._last = 0.0

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            self._due = self._monotonic() + _INTERVAL_SECONDS
            await asyncio.sleep(_INTERVAL_SECONDS)
            self._last = self._late()

    @property
    def seconds(self) -> float:
        """How late it was the last time, or is by now."""
        return max(self._last, self._late())

    def _late(self) -> float:
        return max(0.0, self._monotonic() - self._due)
