"""Requests begin in turns of their tenants."""

import asyncio

from whisperjob_api.request_turns import RequestTurns


async def begin(turns: RequestTurns, tenant: str, order: list[str]) -> None:
    await turns.wait(tenant)
    order.append(tenant)


async def test_one_request_of_a_tenant_does_not_wait_for_the_many_of_another() -> None:
    turns, order = RequestTurns(2), list[str]()
    async with asyncio.TaskGroup() as tasks:
        for tenant in ["alice"] * 50 + ["bob", "carol", "bob"]:
            tasks.create_task(begin(turns, tenant, order))
    assert len(order) == 53
    assert order[:2] == ["alice", "alice"]
    assert sorted(order[2:7]) == ["alice", "alice", "bob", "bob", "carol"]


async def test_a_request_that_was_cancelled_takes_no_turn() -> None:
    turns, order = RequestTurns(1), list[str]()
    requests = [asyncio.create_task(begin(turns, tenant, order)) for tenant in ["alice"] * 6 + ["bob"]]
    await asyncio.sleep(0)
    for request in requests[1:5]:
        request.cancel()
    await asyncio.wait(requests)
    assert order[0] == "alice"
    assert sorted(order[1:]) == ["alice", "bob"]


async def test_a_quiet_service_lets_every_request_begin_at_once() -> None:
    turns, order = RequestTurns(1), list[str]()
    for _ in range(3):
        await asyncio.wait_for(begin(turns, "alice", order), 5)
        await asyncio.sleep(0)
    assert order == ["alice"] * 3
