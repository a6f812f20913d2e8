"""The slots of uploads: only so many arrive at a time, and tenants share them while more want one.

A tenant may use every slot that no other wants. If another comes while all are taken, it waits a moment: the next slot
that becomes free is its own, and an upload of the tenant that holds more than its share ends for it, the slowest first.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from whisperjob_api.error_responses import unavailable
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.upload_rate import ArrivalRate

PATIENCE_SECONDS: Final = 5.0
"""How long an upload waits for a slot. Meanwhile its body is not read, and clients give up on that after a while."""

FAST_GRACE_SECONDS: Final = 2.0
"""How long it waits before an upload that is not slow ends for it: many end by themselves in that time."""

JUDGED_AFTER_SECONDS: Final = 3.0
"""An upload that began later than this has no rate yet."""

_LOOK_AGAIN_SECONDS: Final = 0.25
_LOST_RETRY_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A slot that is taken. `may_lose` is False once the whole body has arrived."""

    tenant: str
    bytes_per_second: float
    age_seconds: float
    may_lose: bool = True


def may_wait(tenant: str, held: Sequence[str], waiting: Sequence[str], weight_of: Callable[[str], float]) -> bool:
    """Returns whether a tenant may wait for a slot while all are taken: it holds less than its share. Pure.

    `held` are the tenants of the slots that are taken, `waiting` those of the uploads that wait already.
    """
    counts = Counter(held)
    coming = waiting.count(tenant)
    own = counts[tenant] + coming
    return any(
        own == 0 or _holds_too_many(count - coming, weight_of(other), own, weight_of(tenant))
        for other, count in counts.items()
        if other != tenant
    )


def choose_to_end(
    tenant: str,
    waited_seconds: float,
    held: Sequence[HeldSlot],
    slow_bytes_per_second: float,
    weight_of: Callable[[str], float],
) -> int | None:
    """Returns the index of the slot that is taken away for a waiting tenant, None if none is now. Pure.

    It is the slowest upload of the tenant with the most slots for its weight. A slow one ends at once, another only if
    the wait goes on. Of a tenant that holds no more than its share, only a slow one ends, for a tenant without a slot.
    """
    counts = Counter(one.tenant for one in held)

    def may_end(one: HeldSlot) -> bool:
        if one.tenant == tenant or not one.may_lose:
            return False
        slow = one.age_seconds >= JUDGED_AFTER_SECONDS and one.bytes_per_second < slow_bytes_per_second
        if _holds_too_many(counts[one.tenant], weight_of(one.tenant), counts[tenant], weight_of(tenant)):
            return slow or waited_seconds >= FAST_GRACE_SECONDS
        return slow and counts[tenant] == 0

    def rank(index: int) -> tuple[float, float]:
        one = held[index]
        return -counts[one.tenant] / weight_of(one.tenant), one.bytes_per_second

    return min((index for index, one in enumerate(held) if may_end(one)), key=rank, default=None)


def _holds_too_many(others: int, others_weight: float, own: int, own_weight: float) -> bool:
    """Whether the other still holds no less for its weight when it has lost one to a tenant that holds `own`."""
    return (others - 1) / others_weight >= (own + 1) / own_weight


@dataclass(slots=True, eq=False)
class UploadSlot:
    """The slot of one upload, which reports what arrives and finds out here that it has lost the slot."""

    tenant: str
    rate: ArrivalRate
    taken_at: float
    lost: bool = False
    complete: bool = False
    _wait: asyncio.Timeout | None = None

    def lose(self) -> None:
        """Takes the slot away: the wait for the sender ends now."""
        self.lost = True
        if self._wait is not None and not self._wait.expired():
            self._wait.reschedule(asyncio.get_running_loop().time())

    @contextmanager
    def waiting(self, wait: asyncio.Timeout) -> Iterator[None]:
        """Goes around a wait for the sender, inside of its timeout."""
        self._wait = wait
        try:
            yield
        finally:
            self._wait = None

    def check(self) -> None:
        """Raises RequestError if the slot was taken away."""
        if self.lost:
            raise RequestError(
                HttpCode.UPLOAD_SLOT_LOST,
                "The upload gave its place to another tenant that was waiting; send it again.",
                retry_after_seconds=_LOST_RETRY_SECONDS,
            )

    def note(self, received_bytes: int) -> None:
        """Adds bytes that have arrived."""
        self.rate.add(received_bytes, time.monotonic())


@dataclass(slots=True, eq=False)
class _Waiter:
    tenant: str
    granted: asyncio.Future[UploadSlot] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class UploadSlots:
    """The slots of this process. One event loop."""

    def __init__(self, number: int, slow_bytes_per_second: float, weight_of: Callable[[str], float]) -> None:
        self._number = number
        self._slow_rate = slow_bytes_per_second
        self._weight_of = weight_of
        self._held: list[UploadSlot] = []
        self._waiters: list[_Waiter] = []

    @asynccontextmanager
    async def hold(self, tenant: str) -> AsyncIterator[UploadSlot]:
        """Holds a slot while the context lasts. Raises RequestError `unavailable` if there is none in time."""
        slot = await self._take(tenant)
        try:
            yield slot
        finally:
            self._release(slot)

    async def _take(self, tenant: str) -> UploadSlot:
        if len(self._held) < self._number:
            return self._grant(tenant)
        held, waiting = [slot.tenant for slot in self._held], [waiter.tenant for waiter in self._waiters]
        if not may_wait(tenant, held, waiting, self._weight_of):
            raise _all_taken()
        waiter = _Waiter(tenant)
        self._waiters.append(waiter)
        try:
            await self._wait(waiter)
            return waiter.granted.result()
        except BaseException:
            if waiter.granted.done():
                self._release(waiter.granted.result())
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    async def _wait(self, waiter: _Waiter) -> None:
        began = time.monotonic()
        while (waited := time.monotonic() - began) < PATIENCE_SECONDS:
            self._make_room(waiter.tenant, waited)
            done, _ = await asyncio.wait([waiter.granted], timeout=_LOOK_AGAIN_SECONDS)
            if done:
                return
        raise _all_taken()

    def _make_room(self, tenant: str, waited_seconds: float) -> None:
        """Takes one slot away, unless as many are about to become free as are waited for."""
        if sum(slot.lost for slot in self._held) >= len(self._waiters):
            return
        now = time.monotonic()
        held = [
            HeldSlot(
                slot.tenant, slot.rate.bytes_per_second(now), now - slot.taken_at, not (slot.lost or slot.complete)
            )
            for slot in self._held
        ]
        index = choose_to_end(tenant, waited_seconds, held, self._slow_rate, self._weight_of)
        if index is not None:
            self._held[index].lose()

    def _grant(self, tenant: str) -> UploadSlot:
        now = time.monotonic()
        slot = UploadSlot(tenant, ArrivalRate(now), now)
        self._held.append(slot)
        return slot

    def _release(self, slot: UploadSlot) -> None:
        """Gives the slot to the waiting tenant that holds least for its weight, the first of those."""
        self._held.remove(slot)
        counts = Counter(held.tenant for held in self._held)
        waiter = min(
            self._waiters, key=lambda waiter: counts[waiter.tenant] / self._weight_of(waiter.tenant), default=None
        )
        if waiter is not None:
            self._waiters.remove(waiter)
            waiter.granted.set_result(self._grant(waiter.tenant))


def _all_taken() -> RequestError:
    return unavailable("Too many uploads are in flight; try again soon.")
