"""Work in the API of which only a little is done at a time, and for which tenants take turns."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count, islice

from whisperjob.deciding.fair_share import FairShare, Waiting
from whisperjob.model.clock import utc_now


class FairTurns:
    """So many turns at a time. One event loop; `weight_of` returns a tenant's share."""

    def __init__(self, number: int, weight_of: Callable[[str], float]) -> None:
        self._number = number
        self._share = FairShare(weight_of)
        self._names = map(str, count())
        self._running: dict[str, str] = {}
        self._waiting: dict[str, tuple[Waiting, asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def hold(self, tenant: str) -> AsyncIterator[None]:
        """Waits for a turn of this tenant, and holds it while the context lasts."""
        name, begun = next(self._names), asyncio.get_running_loop().create_future()
        self._waiting[name] = (Waiting(name, tenant, 0, utc_now()), begun)
        self._begin_next()
        try:
            await begun
            yield
        finally:
            self._waiting.pop(name, None)
            self._running.pop(name, None)
            self._begin_next()

    def _begin_next(self) -> None:
        waiting = [one for one, begun in self._waiting.values() if not begun.done()]
        order = self._share.order(waiting, self._running, time.monotonic())
        for one in list(islice(order, self._number - len(self._running))):
            _, begun = self._waiting.pop(one.name)
            self._running[one.name] = one.tenant
            begun.set_result(None)
