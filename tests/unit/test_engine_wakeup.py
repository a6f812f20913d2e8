"""When a pass brings a job back for a report that waits for its turn: once it is due, and only if the job has work."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from support.builders import a_job, a_worker, at
from support.workers.scripted_launcher import ScriptedLauncher
from whisperjob.deciding.decision import Policy, ProgressReport
from whisperjob.engine.applying import Applier
from whisperjob.engine.audio_quota import AudioQuota
from whisperjob.engine.event_log import LogEventRecorder
from whisperjob.engine.observing import Observer
from whisperjob.engine.progress_throttle import ProgressThrottle
from whisperjob.engine.reconcile import Reconciler
from whisperjob.engine.watched_clock import WatchedClock
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.phase import Phase, Step
from whisperjob.model.resource import Output, Status, WhisperJob
from whisperjob.model.settings import EngineSettings
from whisperjob.records.cache import RecordCache
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.stores.folder import FolderStore

INTERVAL = timedelta(milliseconds=500)
FIRST = ProgressReport(1, Step.ANALYZING, 5)
SECOND = ProgressReport(1, Step.ENHANCING, 40)
ENDED = Status(
    phase=Phase.COMPLETED,
    step=Step.DONE,
    progress=100,
    attempt=1,
    completion_time=at(100),
    output=Output(manifest_key="jobs/m/manifest.json", manifest_sha256="a" * 64, total_chunks=1, size_bytes=1),
)


@dataclass
class Time:
    """The clocks of a pass, which takes a millisecond: the wall clock is read in its middle."""

    seconds: float = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        self.seconds += 0.001
        return at(self.seconds)


@dataclass
class Passes:
    """An engine without its loop: one job, whose worker runs and has reported twice, with one report written."""

    records: SqliteRecords
    cache: RecordCache
    throttle: ProgressThrottle
    time: Time
    reconciler: Reconciler

    @property
    def job(self) -> WhisperJob:
        job = self.cache.get("talk")
        assert job is not None
        return job


@pytest.fixture
async def passes(tmp_path: Path) -> AsyncIterator[Passes]:
    records = await SqliteRecords.open(tmp_path / "jobs.sqlite")
    try:
        time, cache = Time(), RecordCache(records)
        cache.put(await records.create("talk", a_job().spec))
        throttle = ProgressThrottle(INTERVAL, time.monotonic)
        workers, store = WorkerIndex(), FolderStore(tmp_path)
        launcher, recorder = ScriptedLauncher(), LogEventRecorder()
        clock, limits_of = WatchedClock(time.wall, time.monotonic), EngineSettings().limits_of
        reconciler = Reconciler(
            Observer(
                cache,
                store,
                workers,
                throttle,
                Policy(),
                shares={},
                clock=clock,
                limits_of=limits_of,
                audio_quota=AudioQuota(cache, store, workers, limits_of, time.wall),
            ),
            Applier(
                records,
                cache,
                store,
                launcher,
                workers,
                throttle,
                recorder,
                keep_source=False,
                limits_of=limits_of,
            ),
            clock,
        )
        passes = Passes(records, cache, throttle, time, reconciler)
        workers.put(a_worker(job_uid=passes.job.uid))
        throttle.put(passes.job.uid, FIRST)
        await reconciler.reconcile("talk")
        assert passes.job.status.step is Step.ANALYZING
        throttle.put(passes.job.uid, SECOND)
        yield passes
    finally:
        await records.close()


async def test_a_report_whose_time_comes_during_a_pass_is_not_forgotten(passes: Passes) -> None:
    """The timer of the report fires half a millisecond early, as those of uvloop do: they count whole milliseconds."""
    wait = passes.throttle.wait(passes.job.uid) - timedelta(milliseconds=0.5)
    passes.time.seconds += wait.total_seconds()
    again = await passes.reconciler.reconcile("talk")
    assert again is not None
    assert again < INTERVAL, "nothing else makes a pass for hours"
    await passes.reconciler.reconcile("talk")
    assert (passes.job.status.step, passes.job.status.progress) == (Step.ENHANCING, 40)


async def test_a_report_does_not_bring_an_idle_job_back(passes: Passes) -> None:
    """Another writer ended the job before the report was written: a second operator, or an owner."""
    job = passes.job
    passes.cache.put(await passes.records.patch_status("talk", ENDED, job.version))
    again = await passes.reconciler.reconcile("talk")
    assert again is None or again > timedelta(hours=1), "a pass per report that nobody takes would never end"
    assert not passes.throttle.pending(job.uid)
