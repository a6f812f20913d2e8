"""The end of any supervised task is the end of the program."""

import asyncio

import pytest

from whisperjob.serving.supervisor import TaskEndedError, TaskSupervisor


async def forever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ValueError("a bug")


async def end() -> None:
    return


async def test_work_runs_to_its_end_beside_living_tasks() -> None:
    async def work() -> int:
        return 7

    tasks = TaskSupervisor()
    inner = tasks.start("inner", forever())
    assert await tasks.guard(work()) == 7
    await tasks.cancel()
    assert inner.cancelled()


@pytest.mark.parametrize("death", [fail, end])
async def test_a_dead_task_ends_the_work(death: object) -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        tasks.start("the engine", fail() if death is fail else end())
        try:
            await forever()
        finally:
            cancelled.set()

    tasks = TaskSupervisor()
    with pytest.raises(TaskEndedError, match="the engine ended unexpectedly"):
        await tasks.guard(work())
    assert cancelled.is_set()
    await tasks.cancel()


async def test_a_released_task_may_end() -> None:
    async def work() -> int:
        inner = tasks.start("inner", end())
        tasks.release(inner)
        await inner
        return 7

    tasks = TaskSupervisor()
    assert await tasks.guard(work()) == 7


async def test_tasks_end_in_the_order_in_which_they_are_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def fail_at_its_end(name: str) -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append(name)
            raise ValueError(name)

    tasks = TaskSupervisor()
    watches = tasks.start("the watches", fail_at_its_end("the watches"))
    engine = tasks.start("the engine", fail_at_its_end("the engine"))
    await asyncio.sleep(0)
    await tasks.cancel(engine)
    await tasks.cancel(watches)
    assert ended == ["the engine", "the watches"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} ended with ValueError('{name}')" for name in ended
    ]
