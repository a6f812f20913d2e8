"""The recent changes of the records, kept so that watchers can follow at their own pace."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import islice

from whisperjob.model.errors import RecordsUnavailableError, WatchExpiredError
from whisperjob.records.port import RecordChange


class ChangeLog:
    """A ring of the last `size` changes, numbered without gaps.

    A watcher holds nothing but the number it has read up to, so that a slow one costs nobody anything: it is told to
    list again when the ring has passed it. Belongs to one event loop.
    """

    def __init__(self, version: int, size: int) -> None:
        self._latest = version
        self._ring: deque[RecordChange] = deque(maxlen=size)
        self._grown = asyncio.Event()
        self._closed = False

    def append(self, version: int, change: RecordChange) -> None:
        """`version` is one more than the last."""
        if version != self._latest + 1:
            raise ValueError(f"change {version} does not follow {self._latest}")
        self._ring.append(change)
        self._latest = version
        self._wake()

    def close(self) -> None:
        """Ends every watch with RecordsUnavailableError."""
        self._closed = True
        self._wake()

    async def after(self, version: int) -> AsyncIterator[RecordChange]:
        """Every change after `version`, for ever. Raises WatchExpiredError if the ring has passed it."""
        position = version
        while not self._closed:
            missing = self._latest - position
            if missing > len(self._ring) or missing < 0:
                raise WatchExpiredError(f"version {position} is not among the recent changes")
            if missing == 0:
                await self._grown.wait()
                continue
            for change in tuple(islice(self._ring, len(self._ring) - missing, None)):
                position += 1
                yield change
        raise RecordsUnavailableError("the records were closed")

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()
