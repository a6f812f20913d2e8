"""The subprocess launcher against small real programs that stand in for the worker."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from support.programs.processes import lives
from support.waiting import until, until_sync
from support.workers.launcher_bench import Bench, a_launch
from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model.phase import Stage
from whisperjob.model.resource import Deadlines
from whisperjob.model.workers import Worker, WorkerState
from whisperjob_local.subprocess_launcher import SubprocessLauncher, describe_exit
from whisperjob_local.worker_programs import WorkerProgram
from whisperjob_local.worker_space import WorkerSpace


def shown_of(pid: int) -> bytes:
    """What other programs of this user see of a process: its environment and arguments."""
    return b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path, capacity=1)
    yield bench
    await bench.launcher.close()


async def test_a_worker_goes_from_pending_to_succeeded(bench: Bench) -> None:
    name = await bench.start("talk", "0")
    worker = await bench.ended(name)
    assert [c.state for c in bench.changes] == [WorkerState.PENDING, WorkerState.RUNNING, WorkerState.SUCCEEDED]
    assert worker.started_at is not None
    assert worker.ended_at is not None
    assert worker.created_at <= worker.started_at <= worker.ended_at
    assert (worker.job_name, worker.job_uid, worker.stage, worker.attempt) == ("talk", "uid-talk", Stage.OPTIMIZE, 1)


async def test_starting_twice_starts_once(bench: Bench) -> None:
    name = await bench.start("talk")
    await bench.running(name)
    again = await bench.launcher.start(a_launch("talk"))
    assert again.state is WorkerState.RUNNING
    assert len(await bench.launcher.workers()) == 1
    await bench.launcher.stop(name)
    assert (bench.notes / "order").read_text().split() == [name]


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        pytest.param("1", "the worker failed (exit code 1)", id="infrastructure"),
        pytest.param("3", "the engine reported that the attempt is over", id="attempt over"),
        pytest.param("137", "the worker was killed (SIGKILL)", id="killed, as shells say"),
        pytest.param("suicide", "the worker was killed (SIGKILL)", id="killed"),
    ],
)
async def test_failures_say_what_happened_without_details(bench: Bench, mode: str, message: str) -> None:
    worker = await bench.ended(await bench.start("talk", mode))
    assert worker.state is WorkerState.FAILED
    assert worker.message == message
    assert not worker.deadline_exceeded


async def test_a_program_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    launcher = SubprocessLauncher(
        {Stage.OPTIMIZE: WorkerProgram(lambda _: ["/no/such/program"], {}, 1)},
        WorkerSpace(tmp_path / "scratch"),
        run_deadline=timedelta(minutes=1),
    )
    changes: list[Worker] = []
    launcher.subscribe(changes.append)
    await launcher.start(a_launch("talk"))
    await until(lambda: changes[-1].state.ended, "the end")
    assert (changes[-1].state, changes[-1].message) == (WorkerState.FAILED, "the worker could not be started")
    await launcher.close()


async def test_a_diarizer_takes_no_optimizer_s_place(tmp_path: Path) -> None:
    """It may run for an hour, and how many run is the engine's decision."""
    bench = Bench(tmp_path, capacity=1)
    for number in range(2):
        await bench.running(await bench.start(f"talk-{number}", stage=Stage.DIARIZE))
    await bench.running(await bench.start("upload"))
    await bench.launcher.close()


async def test_no_more_run_than_there_is_room_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=2)
    started = [await bench.start(f"job-{number}") for number in range(4)]
    for name in started[:2]:
        await bench.running(name)
    states = [worker.state for worker in await bench.launcher.workers()]
    assert states == [WorkerState.RUNNING] * 2 + [WorkerState.PENDING] * 2
    await bench.launcher.stop(started[0])
    await bench.running(started[2])
    assert [worker.state for worker in await bench.launcher.workers()] == [
        WorkerState.RUNNING,
        WorkerState.RUNNING,
        WorkerState.PENDING,
    ]
    await bench.launcher.close()


async def test_higher_priority_first_then_the_older_job(bench: Bench) -> None:
    blocker = await bench.start("blocker")
    await bench.running(blocker)
    young = await bench.start("young", "0", age=1)
    old = await bench.start("old", "0", age=50)
    low = await bench.start("low", "0", age=99, priority=-1)
    urgent = await bench.start("urgent", "0", priority=5)
    await bench.launcher.stop(blocker)
    await bench.ended(low)
    assert (bench.notes / "order").read_text().split() == [blocker, urgent, old, young, low]


async def test_tenants_take_turns_and_no_priority_passes_another_tenant(bench: Bench) -> None:
    blocker = await bench.start("blocker", tenant="alice")
    await bench.running(blocker)
    many = [await bench.start(f"many-{n}", "0", age=90 - n, tenant="alice", priority=1000) for n in range(8)]
    few = [await bench.start(f"few-{n}", "0", age=9 - n, tenant="bob", priority=-5) for n in range(3)]
    await bench.launcher.stop(blocker)
    await bench.ended(many[-1])
    order = (bench.notes / "order").read_text().split()
    assert order[0] == blocker
    assert max(order.index(name) for name in few) <= 6
    assert [name for name in order if name in many] == many
    assert [name for name in order if name in few] == few


async def test_a_pending_child_is_forgotten_when_stopped(bench: Bench) -> None:
    blocker = await bench.start("blocker")
    await bench.running(blocker)
    unwanted = await bench.start("unwanted")
    wanted = await bench.start("wanted")
    await bench.launcher.stop(unwanted)
    assert await bench.seen(unwanted) is None
    await bench.launcher.stop(blocker)
    await bench.running(wanted)
    assert unwanted not in (bench.notes / "order").read_text()


@pytest.mark.parametrize("mode", ["wait", "stubborn", "parent"])
async def test_stop_leaves_nothing_after_two_seconds(bench: Bench, mode: str) -> None:
    name = await bench.start("talk", mode)
    pid, token = await bench.running(name)
    began = time.monotonic()
    await bench.launcher.stop(name)
    assert time.monotonic() - began < 2
    assert not lives(pid)
    if mode == "parent":
        assert not lives(int((bench.notes / "helper").read_text()))
    assert await bench.launcher.workers() == ()
    assert await bench.launcher.verify(token) is None
    assert list(bench.scratch.iterdir()) == []
    await bench.launcher.stop(name)


async def test_a_stopped_child_says_so_at_once(bench: Bench) -> None:
    name = await bench.start("talk", "stubborn")
    await bench.running(name)
    stopping = asyncio.create_task(bench.launcher.stop(name))
    await until(lambda: bench.changes[-1].stopping, "its notice")
    worker = await bench.seen(name)
    assert worker is not None
    assert worker.stopping
    await stopping


async def test_stopped_while_it_is_being_started(bench: Bench) -> None:
    name = await bench.start("talk")
    await bench.launcher.stop(name)
    assert await bench.launcher.workers() == ()
    other = await bench.start("other")
    await bench.running(other)


@pytest.mark.parametrize("own", [True, False], ids=["the job's own", "the default"])
async def test_a_worker_over_its_deadline_is_ended(tmp_path: Path, own: bool) -> None:
    bench = Bench(tmp_path, capacity=1, run_deadline=timedelta(minutes=5) if own else timedelta(seconds=1))
    deadlines = Deadlines(run_seconds=1) if own else Deadlines()
    name = await bench.start("talk", "stubborn", deadlines=deadlines)
    worker = await bench.ended(name)
    assert worker.state is WorkerState.FAILED
    assert worker.deadline_exceeded
    await bench.launcher.close()


async def test_a_token_holds_for_its_attempt_while_that_lives(bench: Bench) -> None:
    name = await bench.start("talk")
    _, token = await bench.running(name)
    assert await bench.launcher.verify(token) == WorkerIdentity("talk", "uid-talk", Stage.OPTIMIZE, 1)
    assert await bench.launcher.verify(token[:-1]) is None
    assert await bench.launcher.verify("") is None
    await bench.launcher.stop(name)
    assert await bench.launcher.verify(token) is None


async def test_a_worker_gets_no_credentials(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPERJOB_S3_SECRET_KEY", "very-secret")
    name = await bench.start("talk")
    pid, token = await bench.running(name)
    seen = shown_of(pid)
    assert b"very-secret" not in seen
    assert token.encode() not in seen


async def test_scratch_of_an_earlier_life_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "scratch" / "wj-old"
    left.mkdir(parents=True)
    (left / "pcm").write_bytes(b"x")
    bench = Bench(tmp_path, capacity=1)
    assert list(bench.scratch.iterdir()) == []
    await bench.launcher.close()


async def test_closing_ends_workers_and_tells_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path, capacity=2)
    pids = [(await bench.running(await bench.start(job)))[0] for job in ("a", "b")]
    await bench.start("c")
    bench.changes.clear()
    await bench.launcher.close()
    assert not any(lives(pid) for pid in pids)
    assert bench.changes == []


SERVER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from support.workers.launcher_bench import Bench
async def main():
    bench = Bench(Path(sys.argv[1]), capacity=1, standby=True)
    print(*(await bench.running(await bench.start("a"))), flush=True)
    print((await bench.standby())[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def test_workers_die_with_their_server_however_it_dies(tmp_path: Path) -> None:
    tests = Path(__file__).parent.parent
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), str(tests)], stdout=subprocess.PIPE, text=True
    )
    with server:
        assert server.stdout is not None
        pids = [int(server.stdout.readline().split()[0]) for _ in range(2)]
        assert all(lives(pid) for pid in pids)
        server.send_signal(signal.SIGKILL)
    until_sync(lambda: not any(lives(pid) for pid in pids), "the workers' end", 2)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-9, "the worker was killed (SIGKILL)"),
        (-15, "the worker was killed (SIGTERM)"),
        (143, "the worker was killed (SIGTERM)"),
        (-40, "the worker was killed (signal 40)"),
        (2, "the worker failed (exit code 2)"),
        (255, "the worker failed (exit code 255)"),
    ],
)
def test_exit_codes_in_words(code: int, message: str) -> None:
    assert describe_exit(code) == message
