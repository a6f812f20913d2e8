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
from whisperjob.model.settings import EngineSettings
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import ChangeKind, RecordChange
from whisperjob.serving.listener import Listener, bind
from whisperjob.serving.supervisor import TaskSupervisor
from whisperjob.stores.port import ObjectStore
from whisperjob_kubernetes.connection import JsonObject, connect
from whisperjob_kubernetes.records import PLURAL, KubernetesRecords
from whisperjob_kubernetes.wire import record_from
from whisperjob_operator.event_recorder import KubernetesEventRecorder
from whisperjob_operator.kopf_watch import KINDS, watch_events
from whisperjob_operator.kubernetes_launcher import KubernetesLauncher
from whisperjob_operator.loop_lag import LoopLag
from whisperjob_operator.operator_metrics import OperatorMetrics
from whisperjob_operator.operator_settings import OperatorSettings, check_run_deadline
from whisperjob_operator.probe_app import create_probe_app
from whisperjob_operator.tokens import PodTokens, fetch_keys
from whisperjob_operator.watch_health import WatchHealth, identity_of

log = logging.getLogger(__name__)

_RETRY_SECONDS = 2.0
_HOST = "0.0.0.0"  # noqa: S104 - a pod's own network; NetworkPolicies say who reaches it

_LONGEST_WAIT = timedelta(minutes=5)
"""A pass takes milliseconds, so that a key that waited so long was forgotten or all workers hang."""

_LONGEST_LAG_SECONDS = 5.0
"""Everything on the loop takes milliseconds; what takes longer is in threads."""


class Operator:
    """Make it on the event loop it will run on; `run` it once."""

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
        self._watching = asyncio.Event()
        self._looked = asyncio.Event()
        self.flow = WatchHealth(KINDS, settings.blind_after.total_seconds())
        self.records = KubernetesRecords(api, settings.namespace)
        self.cache = RecordCache(self.records)
        self.cache.subscribe(self._learnt)
        diarizes = settings.diarizer_image is not None
        policy = policy_from(engine, diarizes=diarizes)
        self.launcher = KubernetesLauncher(api, settings, engine, policy, seen=self._seen)
        self.engine = Engine(
            records=self.records,
            cache=self.cache,
            store=store,
            launcher=self.launcher,
            settings=engine,
            diarizes=diarizes,
            event_recorder=metrics.engine.count_events(KubernetesEventRecorder(api, socket.gethostname())),
            on_pass=metrics.engine.passed,
        )
        self.launcher.subscribe(metrics.engine.worker_changed)
        self.lag = LoopLag()
        tokens = PodTokens(
            lambda: fetch_keys(api),
            self.launcher.identity,
            audience=settings.worker_audience,
            namespace=settings.namespace,
            account=settings.worker_service_account,
        )
        metrics.engine.watch(self.cache, self.engine)
        metrics.watch(self.flow, self.lag, time.monotonic)
        work_app = create_work_app(self.engine, tokens)
        probe_app = create_probe_app(self.liveness_problem, self.readiness_problem, metrics.registry)
        self.work = Listener(work_app, bind(_HOST, settings.work_port), grace=settings.shutdown_grace)
        self.probes = Listener(probe_app, bind(_HOST, settings.probe_port), grace=settings.shutdown_grace)

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Raises TaskEndedError if a part ends before."""
        supervisor = TaskSupervisor()
        probes = supervisor.start("the probes", self.probes.run())
        worker_protocol = supervisor.start("the worker protocol", self.work.run())
        engine = supervisor.start("the engine", self._work())
        watches = supervisor.start("the watches", self._watch())
        lag = asyncio.create_task(self.lag.watch(), name="loop lag")
        try:
            await supervisor.guard(stop.wait())
        finally:
            lag.cancel()
            # Requests in flight first, since they need the engine; then the engine, which needs the watches.
            self.work.stop()
            self.probes.stop()
            await supervisor.finish(worker_protocol, probes)
            await supervisor.cancel(engine)
            await supervisor.cancel(watches)

    async def _work(self) -> None:
        """The first look at everything comes before the first decision: a worker not seen yet is not missing."""
        while True:
            try:
                await self.engine.resync()
            except StoreError as error:
                log.warning("the store is away: %s", error)
            except WhisperJobError as error:
                log.warning("the cluster could not be read yet: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._looked.set()
            await self.engine.run()

    async def _watch(self) -> None:
        """Not before the first look: kopf never finds a kind that was not there when it began."""
        await self._looked.wait()
        await watch_events(self._settings.namespace, self._told, self._api, self._watching)

    def _told(self, kind: str, body: JsonObject, deleted: bool) -> None:
        """An event came."""
        uid, version = identity_of(body)
        self.flow.told(kind, uid, version, time.monotonic(), deleted=deleted)
        if kind == "jobs":
            self.launcher.job_event(body, deleted=deleted)
        elif kind == "pods":
            self.launcher.pod_event(body, deleted=deleted)
        elif deleted:
            self.cache.forget(record_from(body))
        else:
            self.cache.put(record_from(body))

    def _seen(self, kind: str, body: JsonObject) -> None:
        """A listing or an answer showed an object."""
        uid, version = identity_of(body)
        self.flow.expect(kind, uid, version, time.monotonic())

    def _learnt(self, change: RecordChange) -> None:
        """The cache knows something new, from wherever."""
        if change.kind is ChangeKind.DELETED:
            self.flow.forget(PLURAL, change.record.uid)
        else:
            self.flow.expect(PLURAL, change.record.uid, int(change.record.version), time.monotonic())

    def liveness_problem(self) -> str:
        if blind := self.flow.blind(time.monotonic()):
            return f"no events come of {', '.join(blind)}"
        if self.lag.seconds > _LONGEST_LAG_SECONDS:
            return f"the event loop is late by {self.lag.seconds:.1f} s"
        waited = self.engine.oldest_wait
        return f"a job waits for {waited.total_seconds():.0f} s to be looked at" if waited > _LONGEST_WAIT else ""

    def readiness_problem(self) -> str:
        if not self._looked.is_set():
            return "the cluster was not read yet"
        return "" if self._watching.is_set() else "the watches have not begun"


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
