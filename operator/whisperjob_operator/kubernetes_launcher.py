"""Workers as batch/v1 Jobs. Their state comes from the events of the watches, and from a listing at a resync."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from kubernetes.aio import client

from whisperjob.deciding.decision import Policy
from whisperjob.engine.ports import Launch, WorkerIdentity
from whisperjob.model.clock import build_steady_clock
from whisperjob.model.errors import RecordConflictError
from whisperjob.model.settings import EngineSettings
from whisperjob.model.workers import Worker
from whisperjob_kubernetes.connection import ClusterError, JsonObject, read_object, translate_errors
from whisperjob_operator import labels
from whisperjob_operator.job_manifest import build_job
from whisperjob_operator.kube_objects import KubeJob, KubePod
from whisperjob_operator.operator_settings import OperatorSettings
from whisperjob_operator.pod_index import PodIndex
from whisperjob_operator.worker_state import to_worker

log = logging.getLogger(__name__)

_PAGE: Final = 500
_AFTER_LOST_SECONDS: Final = 0.1


class KubernetesLauncher:
    """The Launcher of one namespace, with a copy of all Jobs and Pods of workers. One event loop.

    `on_observed` is called with the kind and the body of every object that a listing or an answer contained, so that
    the caller can check whether the watches bring it, too.
    """

    def __init__(
        self,
        api: client.ApiClient,
        settings: OperatorSettings,
        engine: EngineSettings,
        policy: Policy,
        *,
        on_observed: Callable[[str, JsonObject], None] = lambda _kind, _body: None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._batch = client.BatchV1Api(api)
        self._core = client.CoreV1Api(api)
        self._settings = settings
        self._engine = engine
        self._policy = policy
        self._on_observed = on_observed
        self._clock = clock or build_steady_clock()
        self._jobs: dict[str, KubeJob] = {}
        self._pods = PodIndex()
        self._callbacks: list[Callable[[Worker], None]] = []

    def subscribe(self, on_change: Callable[[Worker], None]) -> None:
        self._callbacks.append(on_change)

    async def start(self, launch: Launch) -> Worker:
        """Creates the Job, or returns the worker of the one that exists.

        Raises RecordConflictError where an earlier attempt is still alive, ClusterError, ClusterUnavailableError.
        """
        if launch.attempt > 1:
            await self._ensure_no_earlier_attempt_is_alive(launch)
        body = build_job(launch, self._settings, self._engine, self._policy)
        namespace = self._settings.namespace
        try:
            with translate_errors():
                created = await read_object(
                    await self._batch.create_namespaced_job_without_preload_content(namespace, body)
                )
        except ClusterError as error:
            if error.code != 409:
                raise
            with translate_errors():
                created = await read_object(
                    await self._batch.read_namespaced_job_without_preload_content(launch.name, namespace)
                )
        self._on_observed("jobs", created)
        job = KubeJob.model_validate(created)
        self._jobs[job.metadata.name] = job
        worker = self._to_worker(job)
        if worker is None:
            raise ClusterError(409, "AlreadyExists", f"Job {launch.name} exists and is no worker")
        return worker

    async def _ensure_no_earlier_attempt_is_alive(self, launch: Launch) -> None:
        """Raises RecordConflictError where an earlier attempt is alive that no event has shown yet.

        The record may be ahead of the Jobs: each has a watch of its own, and another operator may write it, too.
        """
        for body in await self._list("jobs", f"{labels.SELECTOR},{labels.JOB}={launch.job.name}"):
            job = KubeJob.model_validate(body)
            worker = self._to_worker(job)
            if worker is None or worker.job_uid != launch.job.uid or worker.name in self._jobs:
                continue
            if worker.attempt < launch.attempt and not worker.stopping and not worker.state.ended:
                self._jobs[job.metadata.name] = job
                self._notify(worker)
                raise RecordConflictError(launch.job.name)

    async def stop(self, name: str) -> None:
        """Requests the deletion of the Job: it stays, marked as stopping, until its pod is gone."""
        options = client.V1DeleteOptions(propagation_policy="Foreground")
        try:
            with translate_errors():
                await self._batch.delete_namespaced_job(name, self._settings.namespace, body=options)
        except ClusterError as error:
            if error.code != 404:
                raise
        self._jobs.pop(name, None)

    async def workers(self) -> tuple[Worker, ...]:
        """Lists Jobs and Pods, and replaces the copy with them."""
        jobs = await self._list("jobs", labels.SELECTOR)
        pods = await self._list("pods", labels.SELECTOR)
        self._jobs = {job.metadata.name: job for job in map(KubeJob.model_validate, jobs)}
        self._pods = PodIndex(map(KubePod.model_validate, pods))
        return tuple(worker for job in self._jobs.values() if (worker := self._to_worker(job)))

    def handle_job_event(self, body: JsonObject, *, deleted: bool) -> None:
        """Records an event of a Job. One that was deleted was stopped, even where its last state does not show it."""
        job = KubeJob.model_validate(body)
        if deleted:
            self._jobs.pop(job.metadata.name, None)
        else:
            self._jobs[job.metadata.name] = job
        if worker := self._to_worker(job):
            self._notify(replace(worker, stopping=True) if deleted else worker)

    def handle_pod_event(self, body: JsonObject, *, deleted: bool) -> None:
        """Records an event of a Pod.

        The last state of a pod that ended is retained: its end and its removal may come as one event.
        """
        pod = KubePod.model_validate(body)
        if deleted and not pod.status.ended:
            self._pods.remove(pod.metadata.name)
        else:
            self._pods.put(pod)
        owner = pod.metadata.controller
        job = self._jobs.get(owner.name) if owner else None
        if job is None:
            return
        self._notify_of(job)
        if pod.metadata.deletion_timestamp and not deleted:
            self._check_when_lost(job.metadata.name, pod.metadata.deletion_timestamp)

    async def find_identity(self, pod_name: str, pod_uid: str) -> WorkerIdentity | None:
        """Returns the attempt that this pod makes, None if it makes none that is alive.

        Reads the pod where no event has shown it yet. Raises ClusterError, ClusterUnavailableError.
        """
        pod = self._pods.get(pod_name)
        if pod is None or pod.metadata.uid != pod_uid:
            pod = await self._read_pod(pod_name)
        if pod is None or pod.metadata.uid != pod_uid or pod.status.ended:
            return None
        owner = pod.metadata.controller
        job = self._jobs.get(owner.name) if owner and owner.kind == "Job" else None
        if owner is None or job is None or job.metadata.uid != owner.uid:
            return None
        worker = self._to_worker(job)
        if worker is None or worker.stopping:
            return None
        return WorkerIdentity(worker.job_name, worker.job_uid, worker.stage, worker.attempt)

    async def _read_pod(self, name: str) -> KubePod | None:
        try:
            with translate_errors():
                body = await read_object(
                    await self._core.read_namespaced_pod_without_preload_content(name, self._settings.namespace)
                )
        except ClusterError as error:
            if error.code == 404:
                return None
            raise
        pod = KubePod.model_validate(body)
        self._pods.put(pod)
        return pod

    async def _list(self, kind: Literal["jobs", "pods"], selector: str) -> list[JsonObject]:
        request_page: Callable[..., Awaitable[Any]] = {
            "jobs": self._batch.list_namespaced_job_without_preload_content,
            "pods": self._core.list_namespaced_pod_without_preload_content,
        }[kind]
        items: list[JsonObject] = []
        token: str | None = None
        while True:
            with translate_errors():
                page = await read_object(
                    await request_page(self._settings.namespace, label_selector=selector, limit=_PAGE, _continue=token)
                )
            for body in page["items"]:
                self._on_observed(kind, body)
            items += page["items"]
            token = page["metadata"].get("continue") or None
            if token is None:
                return items

    def _to_worker(self, job: KubeJob) -> Worker | None:
        return to_worker(job, self._pods.pods_of(job.metadata.uid), self._clock(), self._settings.worker_lost_after)

    def _notify_of(self, job: KubeJob) -> None:
        if worker := self._to_worker(job):
            self._notify(worker)

    def _notify(self, worker: Worker) -> None:
        for callback in self._callbacks:
            callback(worker)

    def _check_when_lost(self, job_name: str, due: datetime) -> None:
        """Looks at the Job again when its pod counts as lost: no event shows that a pod is still there."""
        wait = (due + self._settings.worker_lost_after - self._clock()).total_seconds()
        asyncio.get_running_loop().call_later(max(0.0, wait) + _AFTER_LOST_SECONDS, self._check, job_name)

    def _check(self, job_name: str) -> None:
        if job := self._jobs.get(job_name):
            self._notify_of(job)
