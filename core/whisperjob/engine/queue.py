"""The keys that want to be looked at: each at most once in the queue, and never by two workers at a time."""

import asyncio
import random
import time
from collections import deque
from datetime import timedelta

_BACKOFF_BASE_SECONDS = 0.1
_BACKOFF_CAP_SECONDS = 60.0


class WorkQueue:
    """Keys to reconcile, now or later. Not thread-safe: one event loop.

    A key added while it is being worked on comes again afterwards. A key has one timer: the earliest wish counts, and
    a pass that begins clears it, since every pass says anew when it wants to come back.
    """

    def __init__(self) -> None:
        self._ready: deque[str] = deque()
        self._queued: dict[str, float] = {}  # since when
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()

    def add(self, key: str, after: timedelta = timedelta(0)) -> None:
        """Wants `key` looked at, `after` from now at the latest."""
        if after > timedelta(0):
            self._add_later(key, after.total_seconds())
        elif key in self._working:
            self._again.add(key)
        elif key not in self._queued:
            self._queued[key] = time.monotonic()
            self._ready.append(key)
            self._wake_one()

    def add_after_failure(self, key: str) -> timedelta:
        """Wants `key` again after a wait that doubles with every failure in a row, with jitter; returns the wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = min(_BACKOFF_BASE_SECONDS * 2 ** min(failures, 20), _BACKOFF_CAP_SECONDS)
        wait = timedelta(seconds=seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, no secret
        self.add(key, wait)
        return wait

    def succeeded(self, key: str) -> None:
        self._failures.pop(key, None)

    @property
    def oldest_wait(self) -> timedelta:
        """How long the first key has waited for a worker; zero when none waits."""
        since = self._queued.get(self._ready[0]) if self._ready else None
        return timedelta(0) if since is None else timedelta(seconds=time.monotonic() - since)

    def __len__(self) -> int:
        """Keys that wait for a worker now; those that come later are not counted."""
        return len(self._ready)

    async def get(self) -> str:
        """The next key; its worker must call `done` with it."""
        while not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        key = self._ready.popleft()
        self._queued.pop(key, None)
        self._working.add(key)
        if timer := self._timers.pop(key, None):
            timer.cancel()
        return key

    def done(self, key: str) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _add_later(self, key: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
