"""The names of jobs that are to be reconciled: each at most once in the queue, and never in two passes at a time."""

import asyncio
import random
import time
from collections import deque
from datetime import timedelta

from whisperjob.model.backoff import Backoff

_BACKOFF = Backoff(base=timedelta(seconds=0.1), cap=timedelta(seconds=60), jitter=0.2)


class WorkQueue:
    """Keys to reconcile, now or later. Not thread-safe: one event loop.

    A key that is added during its own pass comes again afterwards. A key has one timer: the earliest request counts,
    and a pass that begins clears it, since every pass returns when it wants to come back.
    """

    def __init__(self) -> None:
        self._ready: deque[str] = deque()
        self._queued_since: dict[str, float] = {}
        self._in_pass: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()

    def add(self, key: str, after: timedelta = timedelta(0)) -> None:
        """Queues `key` now, or at the latest when `after` has passed."""
        if after > timedelta(0):
            self._add_later(key, after.total_seconds())
        elif key in self._in_pass:
            self._again.add(key)
        elif key not in self._queued_since:
            self._queued_since[key] = time.monotonic()
            self._ready.append(key)
            self._wake_one()

    def add_after_failure(self, key: str) -> timedelta:
        """Queues `key` after a wait that doubles with every failure in a row; returns the wait."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        wait = _BACKOFF.wait(failures, random.random())  # noqa: S311 - jitter, no secret
        self.add(key, wait)
        return wait

    def reset_failures(self, key: str) -> None:
        """Forgets the failures of `key`."""
        self._failures.pop(key, None)

    @property
    def oldest_wait(self) -> timedelta:
        """How long the first key has waited for its pass; zero when none waits."""
        since = self._queued_since.get(self._ready[0]) if self._ready else None
        return timedelta(0) if since is None else timedelta(seconds=time.monotonic() - since)

    def __len__(self) -> int:
        """The number of keys that wait for their pass now; those that are due later do not count."""
        return len(self._ready)

    async def get(self) -> str:
        """Returns the next key, once there is one. The caller must call `done` with it after the pass."""
        while not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        key = self._ready.popleft()
        self._queued_since.pop(key, None)
        self._in_pass.add(key)
        if timer := self._timers.pop(key, None):
            timer.cancel()
        return key

    def done(self, key: str) -> None:
        """Ends the pass over `key`; queues it again if it was added meanwhile."""
        self._in_pass.discard(key)
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
