"""Is it there, is it ready; no key needed."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter

from whisperjob.model.errors import RecordError, StoreError
from whisperjob_api.error_responses import unavailable
from whisperjob_api.schemas import Alive, ErrorBody, Health
from whisperjob_api.services import Services, Use

router = APIRouter(tags=["service"])

READY_SECONDS = 1.0
"""How long a readiness verdict holds: probes of many load balancers cost one look a second."""


class Readiness:
    """Asks the records and the store, at most once a second."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._ready = False

    async def check(self) -> bool:
        async with self._lock:
            if time.monotonic() - self._checked_at >= READY_SECONDS:
                self._ready = await self._look()
                self._checked_at = time.monotonic()
            return self._ready and self._services.api.cache.synced

    async def _look(self) -> bool:
        api = self._services.api
        try:
            await api.records.check()
            await self._services.threads.call(api.store.check)
        except (RecordError, StoreError):
            return False
        return True


@router.get("/health", summary="Is the service there, and can it work on recordings?")
async def health(use: Use) -> Health:
    return Health(ffmpeg=use.api.engine_ready())


@router.get("/livez", summary="Is the process alive?")
async def livez() -> Alive:
    return Alive()


def ready_route(check: Callable[[], Awaitable[bool]]) -> APIRouter:
    """`/readyz`: fails while the copy of the records is not there yet, or records or store do not answer."""
    ready = APIRouter(tags=["service"])

    @ready.get("/readyz", summary="Can it take requests?", responses={503: {"model": ErrorBody}})
    async def readyz() -> Alive:
        if not await check():
            raise unavailable("The service is not ready.", retry_after_seconds=1)
        return Alive()

    return ready
