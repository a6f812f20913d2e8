"""The inner tasks of the service: when one ends that should not, the whole service ends. No half-alive server."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from whisperjob.model.errors import WhisperJobError

log = logging.getLogger(__name__)

T = TypeVar("T")


class TaskEndedError(WhisperJobError):
    """An inner task ended by itself; its cause, if it raised, is chained."""


class TaskSupervisor:
    """Tasks that are to live as long as the service."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._death: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def release(self, task: asyncio.Task[None]) -> None:
        """From now on this one may end."""
        self._tasks.discard(task)

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end. Raises TaskEndedError, with `work` cancelled, if an inner task ends before."""
        main = asyncio.create_task(work, name="main")
        try:
            either: set[asyncio.Future[Any]] = {main, self._death}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if main.done():
                return main.result()
            dead = self._death.result()
            cause = None if dead.cancelled() else dead.exception()
            log.error("%s ended unexpectedly", dead.get_name(), exc_info=cause)
            raise TaskEndedError(f"{dead.get_name()} ended unexpectedly: {cause!r}") from cause
        finally:
            await _end({main})

    async def cancel(self) -> None:
        """What they raise on the way out was told, or does not matter any more."""
        tasks, self._tasks = self._tasks, set()
        await _end(tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task in self._tasks and not self._death.done():
            self._death.set_result(task)


async def _end(tasks: set[asyncio.Task[T]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
