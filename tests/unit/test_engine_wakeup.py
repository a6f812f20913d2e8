"""A report that waits for its turn is written, even where its time comes in the middle of a pass."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from support.builders import a_job, a_worker, at
from support.workers.scripted_launcher import ScriptedLauncher
from whisperjob.deciding.decision import Policy, ProgressReport
from whisperjob.engine.applying import Applier
from whisperjob.engine.event_log import LogEventRecorder
from whisperjob.engine.observing import Observer
from whisperjob.engine.progress_throttle import ProgressThrottle
from whisperjob.engine.reconcile import Reconciler
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.phase import Step
from whisperjob.records.cache import RecordCache
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.stores.folder import FolderStore

INTERVAL = timedelta(milliseconds=500)
FIRST = ProgressReport(1, Step.ANALYZING, 5)
SECOND = ProgressReport(1, Step.ENHANCING, 40)


@dataclass
class Time:
    """The clocks of a pass, which takes a millisecond: the wall clock is read in its middle."""

    seconds: float = 100.0

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> datetime:
        self.seconds += 0.001
        return at(self.seconds)


async def test_a_report_whose_time_comes_during_a_pass_is_not_forgotten(tmp_path: Path) -> None:
    """The timer of the report fires half a millisecond early, as those of uvloop do: they count whole milliseconds."""
    records = await SqliteRecords.open(tmp_path / "jobs.sqlite")
    try:
        time = Time()
        cache = RecordCache(records)
        job = await records.create("talk", a_job().spec)
        cache.put(job)
        throttle = ProgressThrottle(INTERVAL, time.monotonic)
        workers, store = WorkerIndex(), FolderStore(tmp_path)
        workers.put(a_worker(job_uid=job.uid))
        reconciler = Reconciler(
            Observer(cache, store, workers, throttle, Policy()),
            Applier(
                records, cache, store, ScriptedLauncher(), workers, throttle, LogEventRecorder(), keep_source=False
            ),
            time.wall,
        )
        throttle.put(job.uid, FIRST)
        await reconciler.reconcile("talk")
        assert (status := cache.get("talk")) is not None
        assert status.status.step is Step.ANALYZING
        throttle.put(job.uid, SECOND)
        time.seconds += (throttle.wait(job.uid) - timedelta(milliseconds=0.5)).total_seconds()
        again = await reconciler.reconcile("talk")
        assert again is not None
        assert again < INTERVAL, "nothing else makes a pass for hours"
        await reconciler.reconcile("talk")
        assert (status := cache.get("talk")) is not None
        assert (status.status.step, status.status.progress) == (Step.ENHANCING, 40)
    finally:
        await records.close()
