"""No half-alive server: the end of any inner task is the end of the service."""

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
