"""Turns at work of which only a little is done at a time."""

import asyncio

import pytest

from support.waiting import until
from whisperjob.deciding.fair_share import give_equal_weight
from whisperjob_api.fair_turns import FairTurns


async def test_tenants_take_turns_and_no_more_run_than_may() -> None:
    turns, order = FairTurns(2, give_equal_weight), list[str]()
    running = most = 0

    async def work(tenant: str) -> None:
        nonlocal running, most
        async with turns.hold(tenant):
            order.append(tenant)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(40):
            tasks.create_task(work("alice"))
        await asyncio.sleep(0)
        for _ in range(3):
            tasks.create_task(work("bob"))
    assert most == 2
    assert len(order) == 43
    assert max(place for place, tenant in enumerate(order) if tenant == "bob") <= 2 + 2 * 3 + 2


@pytest.mark.parametrize("begun", [True, False])
async def test_whoever_gives_up_leaves_the_turn_to_others(begun: bool) -> None:
    turns = FairTurns(1, give_equal_weight)
    release = asyncio.Event()

    async def work(held: list[str], name: str) -> None:
        async with turns.hold("alice"):
            held.append(name)
            await release.wait()

    held: list[str] = []
    first, second, third = (asyncio.create_task(work(held, name)) for name in ("first", "second", "third"))
    await until(lambda: held == ["first"], "the first turn")
    (first if begun else second).cancel()
    await until((first if begun else second).done, "the end of it")
    release.set()
    await asyncio.wait([first, second, third])
    assert held == (["first", "second", "third"] if begun else ["first", "third"])
