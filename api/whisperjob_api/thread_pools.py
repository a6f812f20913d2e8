"""Runs store calls off the event loop.

There are four separate pools, so that slow downloads never starve uploads, trims or small calls.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from anyio import CancelScope, CapacityLimiter, to_thread

DOWNLOAD_THREADS = 16
"""A download holds a thread only while a piece is read, not while it is sent."""

CALL_THREADS = 16
"""For small calls: stat, delete, reading a manifest."""

TRIM_THREADS = 2
"""Each holds up to one chunk (20 MiB) in memory."""

P = ParamSpec("P")
T = TypeVar("T")


class ThreadPools:
    """The pools. Every method waits for a thread of its pool, then for the call, and returns what that returns."""

    def __init__(self, uploads: int) -> None:
        self._uploads = CapacityLimiter(uploads)
        self._downloads = CapacityLimiter(DOWNLOAD_THREADS)
        self._calls = CapacityLimiter(CALL_THREADS)
        self._trims = CapacityLimiter(TRIM_THREADS)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a small call."""
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._calls)

    async def run_upload(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the storing of an upload, from its first byte to its last."""
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._uploads)

    async def run_download(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the reading of one piece of a download."""
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._downloads)

    async def run_trim(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a whole trim."""
        return await to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._trims)


async def run_uninterrupted(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to its end even if the caller is cancelled meanwhile; the cancellation is raised afterwards.

    It is for clean-up. The shield of a cancel scope alone is not enough: the server cancels tasks natively at shutdown.
    """
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    with CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancellation = error
    if cancellation is not None:
        if not task.cancelled():
            task.exception()  # marks it as retrieved, or asyncio warns that it never was
        raise cancellation
    return task.result()
