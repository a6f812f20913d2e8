"""What the engine measures for Prometheus, wherever it runs. No label ever names a job."""

from collections import Counter as Tally
from collections.abc import Iterator
from typing import Final

from cachetools import LRUCache
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from whisperjob.deciding.decision import Event
from whisperjob.engine.loop import Engine
from whisperjob.engine.ports import EventRecorder
from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob.model.workers import Worker, WorkerState
from whisperjob.records.cache import RecordCache

_PASS_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
"""Seconds. A pass that only observes takes a millisecond, one that writes takes some tens."""
_REMEMBERED_WORKERS: Final = 10_000


class EngineMetrics:
    """Counts what the engine does. Give it to the engine (`record_pass`), to its launcher and to its event recorder."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._passes = Histogram(
            "whisperjob_reconcile_seconds", "Passes over a job", buckets=_PASS_BUCKETS, registry=registry
        )
        self._errors = Counter("whisperjob_reconcile_errors", "Passes that have to be tried again", registry=registry)
        self._events = Counter("whisperjob_job_events", "Events of jobs, by reason", ["reason"], registry=registry)
        self._ended = Counter(
            "whisperjob_worker_attempts_ended",
            "Workers that ended by themselves, by stage, outcome and reason of failure",
            ["stage", "outcome", "reason"],
            registry=registry,
        )
        self._counted: LRUCache[str, bool] = LRUCache(_REMEMBERED_WORKERS)

    def record_pass(self, seconds: float, failed: bool) -> None:
        """Counts a pass over a job; `failed` says that it must be tried again."""
        self._passes.observe(seconds)
        if failed:
            self._errors.inc()

    def worker_changed(self, worker: Worker) -> None:
        """Counts the end of each worker once, however often it is observed."""
        if not worker.state.ended or worker.stopping or worker.name in self._counted:
            return
        self._counted[worker.name] = True
        reason = worker.reason if worker.state is WorkerState.FAILED else ""
        self._ended.labels(worker.stage, worker.state.lower(), reason).inc()

    def counting(self, event_recorder: EventRecorder) -> EventRecorder:
        """Returns an event recorder that counts what it passes on to this one."""
        return _CountingEventRecorder(event_recorder, self._events)

    def watch(self, cache: RecordCache, engine: Engine) -> None:
        """Adds the state of cache and engine, which is read when Prometheus scrapes it."""
        self._registry.register(CacheState(cache))
        self._registry.register(_EngineState(engine))


class _CountingEventRecorder:
    """An EventRecorder that counts events by their reason."""

    def __init__(self, event_recorder: EventRecorder, events: Counter) -> None:
        self._event_recorder, self._events = event_recorder, events

    async def record(self, job: WhisperJob, event: Event) -> None:
        self._events.labels(event.reason).inc()
        await self._event_recorder.record(job, event)


class CacheState(Collector):
    """Jobs by phase, and the age of that knowledge. The API exposes it, too."""

    def __init__(self, cache: RecordCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        phases = Tally(job.status.phase for job in self._cache.all())
        family = GaugeMetricFamily("whisperjob_jobs", "WhisperJobs by phase", labels=["phase"])
        for phase in Phase:
            family.add_metric([phase], phases[phase])
        yield family
        yield GaugeMetricFamily(
            "whisperjob_quarantined_records",
            "WhisperJobs whose record cannot be read; the log names them",
            value=len(self._cache.quarantined()),
        )
        yield GaugeMetricFamily(
            "whisperjob_records_cache_age_seconds",
            "Seconds since the last listing or change",
            value=self._cache.age_seconds,
        )


class _EngineState(Collector):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("whisperjob_queue_length", "Jobs that wait for a pass", value=self._engine.queue_length)
        yield GaugeMetricFamily(
            "whisperjob_queue_oldest_seconds",
            "Seconds that the first of them has waited",
            value=self._engine.oldest_wait.total_seconds(),
        )
        yield GaugeMetricFamily(
            "whisperjob_orphaned_objects",
            "Objects that no record needs, to be removed when they are old enough",
            value=self._engine.sweeper.orphans,
        )
        yield GaugeMetricFamily(
            "whisperjob_disputed_jobs",
            "Jobs whose objects stay although their record is missing, since records were lost",
            value=self._engine.sweeper.disputed,
        )
        yield GaugeMetricFamily(
            "whisperjob_sweep_refused",
            "1 while orphaned objects are not removed; the log says why",
            value=1 if self._engine.sweeper.problem else 0,
        )
        yield CounterMetricFamily(
            "whisperjob_clock_jumps", "Jumps of the time of day since the start", value=self._engine.clock.jumps
        )
        yield GaugeMetricFamily(
            "whisperjob_deletion_held_seconds",
            "Seconds for which nothing is deleted because of its age, since the clock may be wrong",
            value=self._engine.clock.held().total_seconds(),
        )
