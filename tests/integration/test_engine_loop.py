"""The loop over real records (SQLite) and a real store (a folder); only the workers are played by the test."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.builders import a_manifest, a_spec
from support.clocks import Clocks
from support.waiting import until
from support.workers.scripted_launcher import ScriptedLauncher
from whisperjob.engine.loop import Engine
from whisperjob.engine.ports import Launch, WorkerIdentity
from whisperjob.engine.watched_clock import DELETION_GRACE, WatchedClock
from whisperjob.engine.work_app import create_work_app
from whisperjob.model import names
from whisperjob.model.clock import utc_now
from whisperjob.model.errors import AttemptOverError, JobCode
from whisperjob.model.manifest import Verdict
from whisperjob.model.phase import Phase, Stage, Step
from whisperjob.model.protocol import Claim, FileRead, OptimizeOptions, ProgressPost
from whisperjob.model.resource import Source, WhisperJob
from whisperjob.model.settings import EngineSettings
from whisperjob.model.tenants import TenantLimits
from whisperjob.model.workers import WorkerState
from whisperjob.records.cache import RecordCache
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import ObjectStore
from whisperjob.stores.usage_ledger import note_deletion

SETTINGS = EngineSettings(retry_base=timedelta(milliseconds=10), progress_interval=timedelta(0))


@dataclass
class World:
    records: SqliteRecords
    cache: RecordCache
    store: ObjectStore
    launcher: ScriptedLauncher
    engine: Engine

    async def submit(self, name: str = "talk", **changes: Any) -> WhisperJob:
        """What the API does: the object first, then the record."""
        key = names.new_upload_key("default", name)
        self.store.put(key, io.BytesIO(b"sound"))
        source = Source(key=key, filename=f"{name}.mp4", size_bytes=5)
        return await self.records.create(name, a_spec(source=source, **changes))

    async def launch(self, number: int = 1) -> Launch:
        """The number-th launch, once it happened and was adopted."""
        await until(lambda: len(self.launcher.launched) >= number, f"launch {number}")
        launch = self.launcher.launched[number - 1]
        await until(lambda: self.status(launch.job.name).attempt >= launch.attempt, "the adoption")
        return launch

    def status(self, name: str = "talk") -> Any:
        job = self.cache.get(name)
        assert job is not None, f"{name} is gone"
        return job.status

    async def phase(self, phase: Phase, name: str = "talk") -> None:
        await until(lambda: self.status(name).phase is phase, f"{name} to be {phase}")

    def publish(self, launch: Launch, size: int = 8000, listed: int = 8000) -> None:
        """What a worker does at its end: the files, then the manifest."""
        prefix = names.attempt_prefix("default", launch.job.uid, launch.stage, launch.attempt)
        self.store.put(prefix + "output.mp3", io.BytesIO(b"x" * size))
        manifest = a_manifest(size_bytes=listed).model_dump_json(by_alias=True).encode()
        self.store.put(prefix + names.MANIFEST_NAME, io.BytesIO(manifest))

    def stored_keys(self) -> list[str]:
        return [stored.key for prefix in ("uploads/", "jobs/") for stored in self.store.list(prefix)]


@asynccontextmanager
async def a_world(
    folder: Path,
    settings: EngineSettings = SETTINGS,
    *,
    alone: bool = True,
    clock: WatchedClock | None = None,
    store: ObjectStore | None = None,
) -> AsyncIterator[World]:
    records = await SqliteRecords.open(folder / "jobs.sqlite")
    cache = RecordCache(records)
    store, launcher = store or FolderStore(folder), ScriptedLauncher()
    engine = Engine(records=records, cache=cache, store=store, launcher=launcher, settings=settings, clock=clock)
    tasks = [asyncio.create_task(cache.run()), asyncio.create_task(engine.run())]
    await engine.prepare(alone=alone)
    try:
        yield World(records, cache, store, launcher, engine)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await records.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as made:
        yield made


async def test_a_job_goes_its_way_and_leaves_only_its_result(world: World) -> None:
    await world.submit()
    launch = await world.launch()
    world.launcher.becomes(launch, WorkerState.RUNNING)
    await world.phase(Phase.PROCESSING)
    worker = world.launcher.worker(launch)
    world.engine.report(worker, ProgressPost(step=Step.ENHANCING, percent=61.5, duration_seconds=12.5))
    await until(lambda: world.status().progress == 61, "the progress")
    assert (world.status().step, world.status().duration_seconds) == (Step.ENHANCING, 12.5)
    world.publish(launch)
    world.launcher.becomes(launch, WorkerState.SUCCEEDED)
    await world.phase(Phase.COMPLETED)
    prefix = names.attempt_prefix("default", launch.job.uid, Stage.OPTIMIZE, 1)
    await until(lambda: world.stored_keys() == [prefix + "manifest.json", prefix + "output.mp3"], "the source to go")
    assert world.status().output.manifest_key == prefix + "manifest.json"


async def test_a_verdict_ends_the_job_and_nothing_is_left(world: World) -> None:
    await world.submit()
    launch = await world.launch()
    prefix = names.attempt_prefix("default", launch.job.uid, launch.stage, launch.attempt)
    verdict = Verdict(code=JobCode.NO_AUDIO, message="There is no sound in it.")
    world.store.put(prefix + names.FAILURE_NAME, io.BytesIO(verdict.model_dump_json(by_alias=True).encode()))
    world.launcher.becomes(launch, WorkerState.SUCCEEDED)
    await world.phase(Phase.ERROR)
    assert world.status().error.code is JobCode.NO_AUDIO
    await until(lambda: world.stored_keys() == [], "everything to go")


async def test_a_failed_worker_is_followed_by_another_and_its_leftovers_go(world: World) -> None:
    await world.submit()
    first = await world.launch(1)
    world.publish(first, size=10)
    world.launcher.becomes(first, WorkerState.SUCCEEDED)
    second = await world.launch(2)
    assert world.status().failure_count == 1
    world.publish(second)
    world.launcher.becomes(second, WorkerState.SUCCEEDED)
    await world.phase(Phase.COMPLETED)
    prefix = names.attempt_prefix("default", second.job.uid, Stage.OPTIMIZE, 2)
    await until(lambda: all(key.startswith(prefix) for key in world.stored_keys()), "the leftovers to go")


async def test_three_failures_end_the_job(world: World) -> None:
    await world.submit()
    for number in (1, 2, 3):
        launch = await world.launch(number)
        world.launcher.becomes(launch, WorkerState.FAILED, message="the worker was killed (SIGKILL)")
    await world.phase(Phase.ERROR)
    assert world.status().error.code is JobCode.INFRASTRUCTURE
    assert "SIGKILL" in world.status().error.message
    assert len(world.launcher.launched) == 3


async def test_a_worker_that_vanished_is_replaced_at_the_next_resync(world: World) -> None:
    await world.submit()
    launch = await world.launch()
    world.launcher.becomes(launch, WorkerState.RUNNING)
    await world.phase(Phase.PROCESSING)
    world.launcher.vanishes(launch)
    await world.engine.resync()
    assert (await world.launch(2)).attempt == 2
    assert world.status().failure_count == 0


async def test_deleting_a_job_ends_its_worker_and_removes_its_objects(world: World) -> None:
    job = await world.submit()
    launch = await world.launch()
    world.launcher.becomes(launch, WorkerState.RUNNING)
    await world.records.delete("talk", job.uid)
    await until(
        lambda: world.launcher.stopped == [launch.name] and world.stored_keys() == [], "worker and objects to go"
    )
    with pytest.raises(AttemptOverError):
        await world.engine.claim(world.launcher.worker(launch))


async def test_a_name_may_be_used_again_and_never_meets_the_old_job(world: World) -> None:
    old = await world.submit()
    launch = await world.launch()
    await world.records.delete("talk", old.uid)
    new = await world.submit()
    again = await world.launch(2)
    assert (again.job.uid, again.name == launch.name) == (new.uid, False)
    await until(lambda: world.stored_keys() == [new.spec.source.key], "only the new source to stay")


@pytest.mark.parametrize("how", ["suspend", "cancel"])
async def test_a_job_can_be_held_or_cancelled(world: World, how: str) -> None:
    job = await world.submit()
    launch = await world.launch()
    world.launcher.becomes(launch, WorkerState.RUNNING)
    await world.records.patch_spec("talk", job.spec.model_copy(update={how: True}))
    await until(lambda: world.launcher.stopped == [launch.name], "the worker to be stopped")
    await world.phase(Phase.QUEUED if how == "suspend" else Phase.ERROR)
    with pytest.raises(AttemptOverError):
        world.engine.report(world.launcher.worker(launch), ProgressPost(step=Step.ENHANCING, percent=50))


async def test_a_resumed_job_works_again(world: World) -> None:
    job = await world.submit(suspend=True)
    await until(lambda: world.status().conditions, "the hold")
    assert world.launcher.launched == []
    await world.records.patch_spec("talk", job.spec.model_copy(update={"suspend": False}))
    assert (await world.launch()).attempt == 1


async def test_an_ended_job_goes_when_its_time_is_over(world: World) -> None:
    await world.submit(ttl_seconds_after_finished=0)
    launch = await world.launch()
    world.publish(launch)
    world.launcher.becomes(launch, WorkerState.SUCCEEDED)
    await until(lambda: world.cache.get("talk") is None and world.stored_keys() == [], "record and objects to go")


@pytest.mark.parametrize("jump", [timedelta(days=8), timedelta(days=-8)], ids=str)
async def test_a_clock_that_jumps_fails_no_job_and_deletes_none(tmp_path: Path, jump: timedelta) -> None:
    clocks = Clocks(wall=utc_now())
    async with a_world(tmp_path, clock=clocks.watched) as world:
        await world.submit("ended")
        ended = await world.launch(1)
        world.publish(ended)
        world.launcher.becomes(ended, WorkerState.SUCCEEDED)
        await world.phase(Phase.COMPLETED, "ended")
        await world.submit("running")
        running = await world.launch(2)
        world.launcher.becomes(running, WorkerState.RUNNING)
        await world.phase(Phase.PROCESSING, "running")
        clocks.jump(jump)
        await world.engine.resync()
        world.publish(running)
        world.launcher.becomes(running, WorkerState.SUCCEEDED)
        await world.phase(Phase.COMPLETED, "running")
        assert world.status("ended").phase is Phase.COMPLETED
        await until(lambda: len(world.stored_keys()) == 4, "only the results of both to be there")
        if jump > timedelta(0):  # nobody put the clock right: it counts
            clocks.pass_time(DELETION_GRACE)
            await world.engine.resync()
            await until(lambda: world.cache.get("ended") is None, "the retention to be over")


class TestRestart:
    async def test_a_result_left_before_the_engine_died_is_not_made_again(self, tmp_path: Path) -> None:
        async with a_world(tmp_path) as world:
            await world.submit()
            launch = await world.launch()
            world.launcher.becomes(launch, WorkerState.RUNNING)
            await world.phase(Phase.PROCESSING)
        world.publish(launch)
        async with a_world(tmp_path) as world:
            await world.phase(Phase.COMPLETED)
            assert world.launcher.launched == []

    async def test_an_unfinished_job_runs_again_and_it_is_no_failure(self, tmp_path: Path) -> None:
        async with a_world(tmp_path) as world:
            await world.submit()
            await world.launch()
        async with a_world(tmp_path) as world:
            assert (await world.launch()).attempt == 2
            assert world.status().failure_count == 0


class _OneToken:
    """A verifier that knows one worker by the token "right"."""

    def __init__(self, worker: Callable[[], WorkerIdentity]) -> None:
        self._worker = worker

    async def verify(self, token: str) -> WorkerIdentity | None:
        return self._worker() if token == "right" else None


class TestWorkerProtocol:
    @pytest.fixture
    async def launch(self, world: World) -> Launch:
        await world.submit(max_chunk_seconds=600, track="mix", language="de")
        return await world.launch()

    @pytest.fixture
    async def client(self, world: World, launch: Launch) -> AsyncIterator[httpx.AsyncClient]:
        app = create_work_app(world.engine, _OneToken(lambda: world.launcher.worker(launch)))
        headers = {"Authorization": "Bearer right"}
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://work", headers=headers) as made:
            yield made

    async def test_a_claim_says_all_a_worker_needs_and_may_be_repeated(
        self, world: World, client: httpx.AsyncClient
    ) -> None:
        first, second = [(await client.post("/work/claim")).raise_for_status() for _ in range(2)]
        claim = Claim.model_validate_json(first.content)
        (source,) = claim.inputs
        assert isinstance(source.read, FileRead)
        assert Path(source.read.path).read_bytes() == b"sound"
        assert isinstance(claim.options, OptimizeOptions)
        assert (source.filename, claim.options.max_chunk_seconds) == ("talk.mp4", 600)
        assert (claim.options.track, claim.options.language) == ("mix", "de")
        assert second.status_code == 200

    async def test_progress_is_taken_in(self, world: World, client: httpx.AsyncClient) -> None:
        post = await client.post("/work/progress", json={"step": "analyzing_loudness", "percent": 22.5})
        assert post.status_code == 204
        await until(lambda: world.status().progress == 22, "the progress")

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ("", 422),
            ("{}", 422),
            ('{"step":"done"}', 422),
            ('{"step":"enhancing","percent":101}', 422),
            ('{"step":"clustering","percent":96}', 422),  # a step of another stage
            ("x" * 5000, 413),
        ],
    )
    async def test_nonsense_is_refused(self, client: httpx.AsyncClient, body: str, status: int) -> None:
        assert (await client.post("/work/progress", content=body)).status_code == status

    @pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic right", "Bearer"])
    async def test_a_stranger_learns_nothing(self, client: httpx.AsyncClient, header: str) -> None:
        for path in ("/work/claim", "/work/progress"):
            assert (await client.post(path, headers={"Authorization": header})).status_code == 401

    async def test_a_worker_whose_attempt_is_over_gets_410(
        self, world: World, launch: Launch, client: httpx.AsyncClient
    ) -> None:
        world.launcher.becomes(launch, WorkerState.FAILED)
        await until(lambda: world.status().failure_count == 1, "the failure to be counted")
        assert (await client.post("/work/claim")).status_code == 410


async def test_a_tenant_s_jobs_wait_at_its_limit_and_no_other_s(tmp_path: Path) -> None:
    settings = EngineSettings(tenants={"alice": TenantLimits(running_jobs=2)})
    async with a_world(tmp_path, settings) as world:
        for number in range(5):
            await world.submit(f"alice-{number}", tenant="alice")
        for number in range(3):
            await world.submit(f"bob-{number}", tenant="bob")
        await until(lambda: len(world.launcher.launched) == 5, "five launches")
        names_launched = [launch.job.name for launch in world.launcher.launched]
        assert sorted(names_launched) == ["alice-0", "alice-1", "bob-0", "bob-1", "bob-2"]
        await until(lambda: world.status("alice-4").conditions, "the wait to be told")
        assert "2 job(s) of this tenant" in world.status("alice-4").conditions[0].message
        await world.records.delete("alice-2")
        first = next(launch for launch in world.launcher.launched if launch.job.name == "alice-0")
        world.publish(first)
        world.launcher.becomes(first, WorkerState.SUCCEEDED)
        await until(lambda: len(world.launcher.launched) == 6, "the next launch")
        assert world.launcher.launched[5].job.name == "alice-3"


async def test_a_tenant_s_hours_of_sound_hold_further_jobs(tmp_path: Path) -> None:
    """A recording counts by its length once that is known, also after its job was deleted."""
    settings = EngineSettings(tenants={"alice": TenantLimits(audio_hours_per_day=1)}, progress_interval=timedelta(0))
    async with a_world(tmp_path, settings) as world:
        await world.submit("alice-0", tenant="alice")
        launch = await world.launch()
        world.launcher.becomes(launch, WorkerState.RUNNING)
        post = ProgressPost(step=Step.ENHANCING, percent=50, duration_seconds=3600.0)
        world.engine.report(world.launcher.worker(launch), post)
        await until(lambda: world.status("alice-0").duration_seconds == 3600, "the length")
        await world.submit("alice-1", tenant="alice")
        await world.submit("bob-0", tenant="bob")
        await world.launch(2)
        await until(lambda: world.status("alice-1").conditions, "the wait to be told")
        assert "hours of sound" in world.status("alice-1").conditions[0].message
        note_deletion(world.store, await world.records.get("alice-0"), utc_now())
        await world.records.delete("alice-0")
        await until(lambda: world.cache.get("alice-0") is None, "the deletion")
        await world.engine.resync()
        await world.submit("bob-1", tenant="bob")
        await world.launch(3)
        assert [launch.job.name for launch in world.launcher.launched] == ["alice-0", "bob-0", "bob-1"]
