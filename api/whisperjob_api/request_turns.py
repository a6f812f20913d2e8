"""Lets the requests of tenants begin in turns, so that one that sends many at once does not delay the others.

Requests of one process share one thread. Without turns, a request waits for all that arrived with it: with fifty of
one tenant, its answer takes fifty times as long. Only the beginning is in turns: a request that waits for something,
such as its body, keeps nobody waiting.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

BEGUN_AT_ONCE: Final = 2
"""How many requests begin before the event loop looks at its sockets again. Each takes about a millisecond."""


class RequestTurns:
    """Requests that wait to begin, by tenant; the tenants take turns. One event loop."""

    def __init__(self, begun_at_once: int = BEGUN_AT_ONCE) -> None:
        self._at_once = begun_at_once
        self._begun = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def wait(self, tenant: str) -> None:
        """Returns when the tenant's next request may begin."""
        if self._begun < self._at_once and not self._waiting:
            self._count_one()
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        await turn

    def _count_one(self) -> None:
        if self._begun == 0:
            asyncio.get_running_loop().call_soon(self._begin_next)
        self._begun += 1

    def _begin_next(self) -> None:
        self._begun = 0
        while self._waiting and self._begun < self._at_once:
            tenant, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[tenant] = turns
            if not turn.done():  # its request was not cancelled meanwhile
                self._count_one()
                turn.set_result(None)


class RequestTurnsMiddleware:
    """ASGI middleware behind the check of keys. A request without a tenant begins at once: it is a probe or a page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._turns = RequestTurns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tenant = scope.get("state", {}).get("tenant")
        if tenant is not None:
            await self._turns.wait(tenant)
        await self.app(scope, receive, send)
