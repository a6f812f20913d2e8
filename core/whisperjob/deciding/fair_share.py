"""Whose work begins next where several tenants wait: start-time fair queueing over the time of workers.

Each tenant has used some worker time, divided by its weight. The tenant that has used least goes first, so tenants with
jobs of one length take turns, and one with long jobs does not get more time than one with short jobs. A priority
orders the jobs of one tenant and nothing else: no priority of one tenant delays another.

A tenant that begins to wait starts at what the one that used least has used: nobody saves up time while idle, and
nobody pays for time in which no other waited. Once nothing runs and nothing waits, all are even again; so are they
after a restart. No clock: the caller passes the time.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

_FIRST_ESTIMATE_SECONDS = 1.0
"""What a start is counted as before any attempt has ended; only the order among equals depends on it."""

_ESTIMATE_GAIN = 0.2
"""How quickly the estimate follows the attempts that ended."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt that waits for its turn. `name` is unique among those that wait and those that run."""

    name: str
    tenant: str
    priority: int
    since: datetime


def give_equal_weight(_tenant: str) -> float:
    """Returns the weight of any tenant where none has another."""
    return 1.0


class FairShare:
    """The worker time that tenants have used at one stage, and the order that follows from it.

    `weight_of` returns a tenant's weight, more than 0: with weight 2 a tenant gets twice the time of one with weight 1.
    """

    def __init__(self, weight_of: Callable[[str], float] = give_equal_weight) -> None:
        self._weight_of = weight_of
        self._used: dict[str, float] = {}
        self._running: dict[str, tuple[str, float]] = {}
        self._active: set[str] = set()
        self._estimate = _FIRST_ESTIMATE_SECONDS

    def order(self, waiting: Iterable[Waiting], running: Mapping[str, str], now: float) -> Iterator[Waiting]:
        """Yields what waits in the order in which it is to begin; what is yielded counts as begun for what follows.

        `running` are the attempts that hold a place now, each with its tenant; `now` is in seconds of a monotonic
        clock. Of one tenant the highest priority goes first, then what has waited longest, then what is listed first.
        """
        queues: dict[str, deque[Waiting]] = {}
        for one in sorted(waiting, key=lambda one: (-one.priority, one.since)):
            queues.setdefault(one.tenant, deque()).append(one)
        self._note_running(running, now)
        self._note_active(queues.keys() | set(running.values()), now)
        return self._take_turns(queues, Counter(running.values()), now)

    def _take_turns(
        self, queues: Mapping[str, deque[Waiting]], places: Mapping[str, int], now: float
    ) -> Iterator[Waiting]:
        """Of tenants that have used the same, the one with fewer running goes first, then what has waited longest."""
        heap = [
            (self._used_by(tenant, now, at_least=self._estimate), places.get(tenant, 0), queue[0].since, tenant)
            for tenant, queue in queues.items()
        ]
        heapq.heapify(heap)
        while heap:
            used, held, _, tenant = heap[0]
            queue = queues[tenant]
            yield queue.popleft()
            if queue:
                used += self._estimate / self._weight_of(tenant)
                heapq.heapreplace(heap, (used, held + 1, queue[0].since, tenant))
            else:
                heapq.heappop(heap)

    def _note_running(self, running: Mapping[str, str], now: float) -> None:
        """Charges the attempts that have ended, and notes those that have begun."""
        for name in self._running.keys() - running.keys():
            tenant, began = self._running.pop(name)
            seconds = max(0.0, now - began)
            self._used[tenant] = self._used.get(tenant, 0.0) + seconds / self._weight_of(tenant)
            self._estimate += _ESTIMATE_GAIN * (seconds - self._estimate)
        for name in running.keys() - self._running.keys():
            self._running[name] = (running[name], now)

    def _note_active(self, active: set[str], now: float) -> None:
        """Lets tenants that begin to wait start where the others are."""
        staying = self._active & active
        floor = min((self._used_by(tenant, now, at_least=0.0) for tenant in staying), default=0.0)
        if not staying:
            self._used.clear()
        for tenant in active - staying:
            self._used[tenant] = max(self._used.get(tenant, 0.0), floor)
        for tenant in [t for t, used in self._used.items() if t not in active and used <= floor]:
            del self._used[tenant]
        self._active = active

    def _used_by(self, tenant: str, now: float, *, at_least: float) -> float:
        """Returns the time that a tenant has used, with that of its running attempts, each at least so many seconds."""
        seconds = sum(max(now - began, at_least) for owner, began in self._running.values() if owner == tenant)
        return self._used.get(tenant, 0.0) + seconds / self._weight_of(tenant)
