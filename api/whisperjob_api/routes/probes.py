"""The probes: whether the service is alive, and whether it is ready. They need no key."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from fastapi import APIRouter

from whisperjob.model.errors import RecordError, StoreError
from whisperjob_api.error_responses import unavailable
from whisperjob_api.schemas import Alive, ErrorBody, Health
from whisperjob_api.services import ApiServices, Services

router = APIRouter(tags=["service"])

READY_SECONDS = 1.0
"""How long a result is reused: the probes of many load balancers cost one check a second."""


class Readiness:
    """Checks the records and the store, at most once a second, and whether workers can work on the machine."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._lock = asyncio.Lock()
        self._checked_at = float("-inf")
        self._ready = False

    async def check(self) -> str:
        """Returns why requests cannot be served, or recordings not be worked on; empty if all is well."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= READY_SECONDS:
                self._ready = await self._check_backends()
                self._checked_at = time.monotonic()
            if not (self._ready and self._services.cache.synced):
                return "the job records or the object store do not answer"
            return self._services.machine_problem()

    async def _check_backends(self) -> bool:
        try:
            await self._services.records.check()
            await self._services.threads.run(self._services.store.check)
        except (RecordError, StoreError):
            return False
        return True


@router.get("/health", summary="Is the service there, and can it work on recordings?")
async def health(services: Services) -> Health:
    return Health(ffmpeg=services.engine_ready(), diarization=services.no_diarizer_message is None)


@router.get("/livez", summary="Is the process alive?")
async def livez() -> Alive:
    return Alive()


def build_ready_route(check: Callable[[], Awaitable[str]]) -> APIRouter:
    """Builds `/readyz`.

    It fails until the record cache is filled, while records or store do not answer, and while jobs wait because workers
    cannot work on this machine.
    """
    ready = APIRouter(tags=["service"])

    @ready.get("/readyz", summary="Can it take requests?", responses={503: {"model": ErrorBody}})
    async def readyz() -> Alive:
        if problem := await check():
            raise unavailable(f"The service is not ready: {problem}.", retry_after_seconds=1)
        return Alive()

    return ready
