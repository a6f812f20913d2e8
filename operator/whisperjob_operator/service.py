"""The whole operator: the engine, connected to the cluster, until it has to stop."""

import asyncio
import logging
import socket
import time
from datetime import timedelta

from kubernetes.aio import client

from whisperjob.engine.loop import Engine, policy_from
from whisperjob.engine.work_app import create_work_app
from whisperjob.model.errors import StoreError, WhisperJobError
from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import EngineSettings
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import ChangeKind, RecordChange, UnreadableRecord
from whisperjob.serving.listener import Listener, bind
from whisperjob.serving.supervisor import TaskSupervisor
from whisperjob.stores.port import ObjectStore
from whisperjob_kubernetes.connection import JsonObject, connect
from whisperjob_kubernetes.records import PLURAL, KubernetesRecords
from whisperjob_kubernetes.wire import parse_record
from whisperjob_operator.event_recorder import KubernetesEventRecorder
from whisperjob_operator.kopf_watch import KINDS, watch_events
from whisperjob_operator.kubernetes_launcher import KubernetesLauncher
from whisperjob_operator.loop_lag import LoopLag
from whisperjob_operator.operator_metrics import OperatorMetrics
from whisperjob_operator.operator_settings import OperatorSettings, check_run_deadline
from whisperjob_operator.probe_app import create_probe_app
from whisperjob_operator.tokens import PodTokenVerifier, fetch_keys
from whisperjob_operator.watch_health import WatchHealth, identity_of

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
_HOST = "0.0.0.0"  # noqa: S104 - a pod's own network; NetworkPolicies decide who reaches it

_MAX_WAIT = timedelta(minutes=5)
"""A pass takes milliseconds: a job that waits longer was forgotten, or all reconcilers hang."""

_MAX_LAG_SECONDS = 5.0
"""Everything on the event loop takes milliseconds; what takes longer runs in threads."""


class Operator:
    """One operator. Make it on the event loop that it runs on, and run it once."""

    def __init__(
        self,
        api: client.ApiClient,
        settings: OperatorSettings,
        engine: EngineSettings,
        store: ObjectStore,
        metrics: OperatorMetrics,
    ) -> None:
        check_run_deadline(engine)
        self._api = api
        self._settings = settings
        self._watches_started = asyncio.Event()
        self._first_resync_done = asyncio.Event()
        self.watch_health = WatchHealth(KINDS, settings.blind_after.total_seconds())
        self.records = KubernetesRecords(api, settings.namespace)
        self.cache = RecordCache(self.records)
        self.cache.subscribe(self._on_record_change)
        diarizes = settings.diarizer_image is not None
        policy = policy_from(engine, diarizes=diarizes)
        self.launcher = KubernetesLauncher(api, settings, engine, policy, on_observed=self._on_observed)
        self.engine = Engine(
            records=self.records,
            cache=self.cache,
            store=store,
            launcher=self.launcher,
            settings=engine,
            diarizes=diarizes,
            event_recorder=metrics.engine.counting(KubernetesEventRecorder(api, socket.gethostname())),
            on_pass=metrics.engine.record_pass,
        )
        self.launcher.subscribe(metrics.engine.worker_changed)
        self.loop_lag = LoopLag()
        tokens = PodTokenVerifier(
            lambda: fetch_keys(api),
            self.launcher.find_identity,
            audience=settings.worker_audience,
            namespace=settings.namespace,
            account=settings.worker_service_account,
        )
        metrics.engine.watch(self.cache, self.engine)
        metrics.watch(self.watch_health, self.loop_lag, time.monotonic)
        work_app = create_work_app(self.engine, tokens)
        probe_app = create_probe_app(self.liveness_problem, self.readiness_problem, metrics.registry)
        self.work_listener = Listener(work_app, bind(_HOST, settings.work_port), grace=settings.shutdown_grace)
        self.probe_listener = Listener(probe_app, bind(_HOST, settings.probe_port), grace=settings.shutdown_grace)

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Raises TaskEndedError if a part ends before."""
        supervisor = TaskSupervisor()
        probes = supervisor.start("the probes", self.probe_listener.run())
        worker_protocol = supervisor.start("the worker protocol", self.work_listener.run())
        engine = supervisor.start("the engine", self._run_engine())
        watches = supervisor.start("the watches", self._run_watches())
        lag = asyncio.create_task(self.loop_lag.watch(), name="loop lag")
        try:
            await supervisor.guard(stop.wait())
        finally:
            lag.cancel()
            # Requests in flight first, since they need the engine; then the engine, which needs the watches.
            self.work_listener.stop()
            self.probe_listener.stop()
            await supervisor.finish(worker_protocol, probes)
            await supervisor.cancel(engine)
            await supervisor.cancel(watches)

    async def _run_engine(self) -> None:
        """Runs the engine after a first resync: a worker that was not listed yet would seem to be missing."""
        while True:
            try:
                await self.engine.resync()
            except StoreError as error:
                log.warning("the store is not available: %s", error)
            except WhisperJobError as error:
                log.warning("the cluster could not be read yet: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._first_resync_done.set()
            await self.engine.run()

    async def _run_watches(self) -> None:
        """Starts after the first resync: kopf never finds a kind that did not exist when kopf started."""
        await self._first_resync_done.wait()
        await watch_events(self._settings.namespace, self._on_event, self._api, self._watches_started)

    def _on_event(self, kind: str, body: JsonObject, deleted: bool) -> None:
        """Records an event of a watch."""
        uid, version = identity_of(body)
        self.watch_health.record_event(kind, uid, version, time.monotonic(), deleted=deleted)
        if kind == "jobs":
            self.launcher.handle_job_event(body, deleted=deleted)
        elif kind == "pods":
            self.launcher.handle_pod_event(body, deleted=deleted)
        else:
            self._record_event(parse_record(body), deleted=deleted)

    def _record_event(self, record: WhisperJob | UnreadableRecord, *, deleted: bool) -> None:
        match record:
            case UnreadableRecord(name) if deleted:
                self.cache.release(name)
            case UnreadableRecord():
                self.cache.quarantine(record)
            case WhisperJob() if deleted:
                self.cache.forget(record)
            case WhisperJob():
                self.cache.put(record)

    def _on_observed(self, kind: str, body: JsonObject) -> None:
        """Expects an event of an object that a listing or an answer has shown."""
        uid, version = identity_of(body)
        self.watch_health.expect_event(kind, uid, version, time.monotonic())

    def _on_record_change(self, change: RecordChange) -> None:
        """Expects an event of a record that the cache has learnt of, from whatever source."""
        if change.kind is ChangeKind.DELETED:
            self.watch_health.forget(PLURAL, change.record.uid)
        else:
            self.watch_health.expect_event(PLURAL, change.record.uid, int(change.record.version), time.monotonic())

    def liveness_problem(self) -> str:
        """Returns why the operator must be restarted, an empty sentence if it need not be."""
        if dead := self.watch_health.dead_watches(time.monotonic()):
            return f"no events come of {', '.join(dead)}"
        if self.loop_lag.seconds > _MAX_LAG_SECONDS:
            return f"the event loop is late by {self.loop_lag.seconds:.1f} s"
        waited = self.engine.oldest_wait
        return f"a job has waited for its pass for {waited.total_seconds():.0f} s" if waited > _MAX_WAIT else ""

    def readiness_problem(self) -> str:
        """Returns why the operator does not work yet, an empty sentence if it does."""
        if not self._first_resync_done.is_set():
            return "the cluster was not read yet"
        return "" if self._watches_started.is_set() else "the watches have not started"


async def serve(
    settings: OperatorSettings,
    engine: EngineSettings,
    store: ObjectStore,
    stop: asyncio.Event,
) -> None:
    """Runs the operator until `stop`. Raises ClusterUnavailableError, TaskEndedError, OSError, ValueError."""
    metrics = OperatorMetrics()
    api = await connect(settings.kubeconfig, metrics.request_answered)
    try:
        await Operator(api, settings, engine, store, metrics).run(stop)
    finally:
        await api.close()
