"""The work queue: no key twice at once, none forgotten."""

import asyncio
import itertools
from datetime import timedelta

from whisperjob.engine.queue import WorkQueue

SOON = timedelta(milliseconds=20)


async def next_key(queue: WorkQueue) -> str:
    async with asyncio.timeout(5):
        return await queue.get()


async def test_a_key_waits_once_however_often_it_is_added() -> None:
    queue = WorkQueue()
    for key in "aab":
        queue.add(key)
    assert [await next_key(queue), await next_key(queue)] == ["a", "b"]
    queue.add("c")
    assert await next_key(queue) == "c"


async def test_a_key_added_during_its_pass_comes_again_after_it_and_not_before() -> None:
    queue = WorkQueue()
    queue.add("a")
    assert await next_key(queue) == "a"
    queue.add("a")
    queue.add("b")
    assert await next_key(queue) == "b"
    queue.done("a")
    assert await next_key(queue) == "a"


async def test_a_waiting_worker_is_woken() -> None:
    queue = WorkQueue()
    workers = [asyncio.create_task(next_key(queue)) for _ in range(3)]
    await asyncio.sleep(0)
    for key in "abc":
        queue.add(key)
    assert sorted(await asyncio.gather(*workers)) == ["a", "b", "c"]


async def test_the_earliest_wish_counts() -> None:
    queue = WorkQueue()
    queue.add("a", timedelta(hours=1))
    queue.add("a", SOON)
    queue.add("a", timedelta(hours=2))
    assert await next_key(queue) == "a"


async def test_a_pass_clears_the_timer_because_it_returns_when_to_come_back() -> None:
    queue = WorkQueue()
    queue.add("a", SOON)
    queue.add("a")
    assert await next_key(queue) == "a"
    queue.done("a")
    queue.add("b", 2 * SOON)
    assert await next_key(queue) == "b"


async def test_the_wait_grows_with_failures_in_a_row_and_is_short_again_after_a_success() -> None:
    queue = WorkQueue()
    waits = [queue.add_after_failure("a").total_seconds() for _ in range(12)]
    assert all(later > earlier for earlier, later in itertools.pairwise(waits[:9]))
    assert max(waits) <= 60 * 1.2
    queue.reset_failures("a")
    assert queue.add_after_failure("a").total_seconds() < 0.2
