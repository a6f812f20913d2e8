"""A worker that is started ahead of its work, by the launcher that gives it the work."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.programs.processes import children_of, lives
from support.waiting import until
from support.workers.launcher_bench import Bench
from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model.phase import Stage
from whisperjob.model.workers import WorkerState
from whisperjob_local.standby import StandbyWorker
from whisperjob_local.worker_programs import WorkerProgram


@pytest.fixture
async def prepared(tmp_path: Path) -> AsyncIterator[Bench]:
    """Room for one worker, and one standby worker."""
    bench = Bench(tmp_path, capacity=1, standby=True)
    bench.launcher.prepare()
    yield bench
    await bench.launcher.close()


async def test_a_standby_worker_takes_the_work_and_another_its_place(prepared: Bench) -> None:
    folder, pid = await prepared.standby()
    assert await prepared.launcher.workers() == ()
    name = await prepared.start("talk")
    await until((prepared.notes / folder.name).exists, "the standby worker to work")
    worker, token = prepared.worker(folder.name)
    assert worker == pid
    assert await prepared.launcher.verify(token) == WorkerIdentity("talk", "uid-talk", Stage.OPTIMIZE, 1)
    assert not (prepared.notes / name).exists()
    other, another = await prepared.standby()
    assert (other, another) != (folder, pid)
    waiting = await prepared.start("next")
    assert [worker.state for worker in await prepared.launcher.workers()] == [WorkerState.RUNNING, WorkerState.PENDING]
    assert not (prepared.notes / other.name).exists(), "there is no room for its work yet"
    await prepared.launcher.stop(name)
    assert not lives(pid)
    await until(lambda: not folder.exists(), "the end of its folder")
    await until((prepared.notes / other.name).exists, "the next to work")
    assert prepared.worker(other.name)[0] == another
    assert not (prepared.notes / waiting).exists()


async def test_a_standby_worker_that_died_fails_no_job(prepared: Bench) -> None:
    folder, pid = await prepared.standby()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: pid not in children_of(os.getpid()), "the launcher to notice")
    name = await prepared.start("talk")
    await prepared.running(name)
    assert not folder.exists()


async def test_a_standby_worker_that_cannot_be_started_does_not_matter(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=1)
    standby = StandbyWorker(Stage.OPTIMIZE, WorkerProgram(lambda _: ["/no/such/program"], {}, 1), bench.scratch)
    standby.prepare()
    assert await standby.acquire(Stage.OPTIMIZE) is None
    assert list(bench.scratch.iterdir()) == []


async def test_closing_ends_the_standby_worker(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=2, standby=True)
    bench.launcher.prepare()
    folder, pid = await bench.standby()
    await bench.launcher.close()
    assert not lives(pid)
    assert not folder.exists()
