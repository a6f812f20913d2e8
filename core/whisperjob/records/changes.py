"""A log of the recent changes of the records, which watchers follow at their own pace."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice

from whisperjob.model.errors import RecordsUnavailableError, WatchExpiredError
from whisperjob.records.port import RecordChange


class ChangeLog:
    """The last `size` changes, numbered without gaps.

    A watcher stores nothing but the number of the change that it read last, so a slow watcher costs nothing: once the
    log has dropped changes that it has not read, it has to list again. A log belongs to one event loop.
    """

    def __init__(self, version: int, size: int) -> None:
        self._latest = version
        self._changes: deque[RecordChange] = deque(maxlen=size)
        self._appended = asyncio.Event()
        self._closed = False

    def append(self, version: int, change: RecordChange) -> None:
        """Adds a change. Raises ValueError unless `version` is one more than that of the last change."""
        if version != self._latest + 1:
            raise ValueError(f"change {version} does not follow {self._latest}")
        self._changes.append(change)
        self._latest = version
        self._wake()

    def close(self) -> None:
        """Ends every watch with RecordsUnavailableError."""
        self._closed = True
        self._wake()

    async def after(self, version: int) -> AsyncIterator[RecordChange]:
        """Yields every change after `version`, for ever. Raises WatchExpiredError if the log has dropped some."""
        position = version
        while not self._closed:
            missing = self._latest - position
            if missing > len(self._changes) or missing < 0:
                raise WatchExpiredError(f"version {position} is not among the recent changes")
            if missing == 0:
                await self._appended.wait()
                continue
            for change in tuple(islice(self._changes, len(self._changes) - missing, None)):
                position += 1
                yield change
        raise RecordsUnavailableError("the records were closed")

    def _wake(self) -> None:
        self._appended.set()
        self._appended = asyncio.Event()
