"""Store calls off the event loop: three separate pools, so that slow downloads never starve uploads or small calls."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from anyio import CancelScope, CapacityLimiter, to_thread

DOWNLOAD_THREADS = 16
"""A download holds a thread only while a piece is read, not while it is sent."""

CALL_THREADS = 16
"""Small calls: stat, delete, a manifest."""

TRIM_THREADS = 2
"""Each holds up to one chunk (20 MiB) in memory."""

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Every method waits for a thread of its pool, then for the call."""

    def __init__(self, uploads: int) -> None:
        self._uploads = CapacityLimiter(uploads)
        self._downloads = CapacityLimiter(DOWNLOAD_THREADS)
        self._calls = CapacityLimiter(CALL_THREADS)
        self._trims = CapacityLimiter(TRIM_THREADS)

    async def upload(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._uploads)

    async def download(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._downloads)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._calls)

    async def trim(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._trims)


async def uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to its end even if the caller is cancelled meanwhile; the cancellation is raised afterwards.

    For clearing up. A cancel scope's shield alone does not do: the server cancels tasks natively at shutdown.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody warns it never was
        raise cancelled
    return task.result()
