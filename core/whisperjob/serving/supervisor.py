"""Supervises the tasks of a program: when one ends too early, the whole program ends, and is not left half alive."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from whisperjob.model.errors import WhisperJobError

log = logging.getLogger(__name__)

T = TypeVar("T")


class TaskEndedError(WhisperJobError):
    """A supervised task ended by itself; its cause, if it raised, is chained."""


class TaskSupervisor:
    """Runs the tasks that must live as long as their program. Make it on the event loop that they run on."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._first_ended: asyncio.Future[asyncio.Task[None]] = asyncio.get_running_loop().create_future()
        self._reported: asyncio.Task[None] | None = None

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a task that must not end before it is released or cancelled; errors call it by its name."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def release(self, task: asyncio.Task[None]) -> None:
        """Allows a task to end by itself from now on."""
        self._tasks.discard(task)

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end. Raises TaskEndedError, with `work` cancelled, if a supervised task ends before it."""
        main = asyncio.create_task(work, name="main")
        try:
            either: set[asyncio.Future[Any]] = {main, self._first_ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if main.done():
                return main.result()
            ended = self._first_ended.result()
            self._reported = ended
            cause = None if ended.cancelled() else ended.exception()
            log.error("%s ended unexpectedly", ended.get_name(), exc_info=cause)
            raise TaskEndedError(f"{ended.get_name()} ended unexpectedly: {cause!r}") from cause
        finally:
            main.cancel()
            await asyncio.gather(main, return_exceptions=True)

    async def finish(self, *tasks: asyncio.Task[None]) -> None:
        """Waits until these tasks, which are stopping, have ended. Logs what they raise, unless `guard` did."""
        for task in tasks:
            self.release(task)
        if tasks:
            await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled() and (error := task.exception()) and task is not self._reported:
                log.warning("%s ended with %r", task.get_name(), error)

    async def cancel(self, *tasks: asyncio.Task[None]) -> None:
        """Cancels these tasks, all that are left if none is given, and waits until they have ended."""
        cancelled = tasks or tuple(self._tasks)
        for task in cancelled:
            self.release(task)
            task.cancel()
        await self.finish(*cancelled)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if task in self._tasks and not self._first_ended.done():
            self._first_ended.set_result(task)
