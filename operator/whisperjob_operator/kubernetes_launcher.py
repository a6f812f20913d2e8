"""Workers as batch/v1 Jobs. What became of them is told by events from outside and by a listing at a resync."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from kubernetes.aio import client

from whisperjob.deciding.decision import Policy
from whisperjob.engine.ports import Launch, WorkerIdentity
from whisperjob.model.clock import utc_now
from whisperjob.model.errors import RecordConflictError
from whisperjob.model.settings import EngineSettings
from whisperjob.model.workers import Worker
from whisperjob_kubernetes.connection import ClusterError, JsonObject, asking, read_object
from whisperjob_operator import labels
from whisperjob_operator.job_manifest import build_job
from whisperjob_operator.objects import Job, Pod
from whisperjob_operator.operator_settings import OperatorSettings
from whisperjob_operator.pod_index import PodIndex
from whisperjob_operator.worker_state import to_worker

log = logging.getLogger(__name__)

_PAGE: Final = 500


class KubernetesLauncher:
    """Launcher of one namespace. One event loop.

    It holds a copy of all Jobs and Pods of workers; `seen` is called with each that is seen in a listing or an answer,
    so that somebody can watch whether events tell of it, too.
    """

    def __init__(
        self,
        api: client.ApiClient,
        settings: OperatorSettings,
        engine: EngineSettings,
        policy: Policy,
        *,
        seen: Callable[[str, JsonObject], None] = lambda _kind, _body: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._batch = client.BatchV1Api(api)
        self._core = client.CoreV1Api(api)
        self._settings = settings
        self._engine = engine
        self._policy = policy
        self._seen = seen
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._pods = PodIndex()
        self._callbacks: list[Callable[[Worker], None]] = []

    def subscribe(self, on_change: Callable[[Worker], None]) -> None:
        self._callbacks.append(on_change)

    async def start(self, launch: Launch) -> Worker:
        if launch.attempt > 1:
            await self._refuse_beside_living(launch)
        body = build_job(launch, self._settings, self._engine, self._policy)
        namespace = self._settings.namespace
        try:
            with asking():
                found = await read_object(
                    await self._batch.create_namespaced_job_without_preload_content(namespace, body)
                )
        except ClusterError as error:
            if error.code != 409:
                raise
            with asking():
                found = await read_object(
                    await self._batch.read_namespaced_job_without_preload_content(launch.name, namespace)
                )
        self._seen("jobs", found)
        job = Job.model_validate(found)
        self._jobs[job.metadata.name] = job
        worker = self._worker(job)
        if worker is None:
            raise ClusterError(409, "AlreadyExists", f"Job {launch.name} is not one of ours")
        return worker

    async def _refuse_beside_living(self, launch: Launch) -> None:
        """Raises RecordConflictError where an earlier attempt lives that no event told of yet.

        The record may be ahead of the Jobs: each has a watch of its own, and another operator may write it, too.
        """
        for body in await self._list("jobs", f"{labels.SELECTOR},{labels.JOB}={launch.job.name}"):
            job = Job.model_validate(body)
            worker = self._worker(job)
            if worker is None or worker.job_uid != launch.job.uid or worker.name in self._jobs:
                continue
            if worker.attempt < launch.attempt and not worker.stopping and not worker.state.ended:
                self._jobs[job.metadata.name] = job
                self._tell(job)
                raise RecordConflictError(launch.job.name)

    async def stop(self, name: str) -> None:
        """Returns when its end was asked for: the Job stays, marked as stopping, until its pod is gone."""
        options = client.V1DeleteOptions(propagation_policy="Foreground")
        try:
            with asking():
                await self._batch.delete_namespaced_job(name, self._settings.namespace, body=options)
        except ClusterError as error:
            if error.code != 404:
                raise
        self._jobs.pop(name, None)

    async def workers(self) -> tuple[Worker, ...]:
        """Lists Jobs and Pods, replaces the copy."""
        jobs = await self._list("jobs", labels.SELECTOR)
        pods = await self._list("pods", labels.SELECTOR)
        self._jobs = {job.metadata.name: job for job in map(Job.model_validate, jobs)}
        self._pods = PodIndex(map(Pod.model_validate, pods))
        return tuple(worker for job in self._jobs.values() if (worker := self._worker(job)))

    def job_event(self, body: JsonObject, *, deleted: bool) -> None:
        """A deleted Job was stopped, even where its last state does not say so."""
        job = Job.model_validate(body)
        if not deleted:
            self._jobs[job.metadata.name] = job
            self._tell(job)
            return
        self._jobs.pop(job.metadata.name, None)
        if worker := self._worker(job):
            self._publish(replace(worker, stopping=True))

    def pod_event(self, body: JsonObject, *, deleted: bool) -> None:
        """The last words of a pod that ended are kept: its end and its removal may come as one event."""
        pod = Pod.model_validate(body)
        if deleted and pod.status.phase not in ("Succeeded", "Failed"):
            self._pods.remove(pod.metadata.name)
        else:
            self._pods.put(pod)
        owner = pod.metadata.controller
        job = self._jobs.get(owner.name) if owner else None
        if job is None:
            return
        self._tell(job)
        if pod.metadata.deletion_timestamp and not deleted:
            self._look_again(job.metadata.name, pod)

    async def identity(self, pod_name: str, pod_uid: str) -> WorkerIdentity | None:
        """Whose worker this pod is; asks the API server where no event told of it yet."""
        pod = self._pods.get(pod_name)
        if pod is None or pod.metadata.uid != pod_uid:
            pod = await self._read_pod(pod_name)
        if pod is None or pod.metadata.uid != pod_uid or pod.status.phase in ("Succeeded", "Failed"):
            return None
        owner = pod.metadata.controller
        job = self._jobs.get(owner.name) if owner and owner.kind == "Job" else None
        if owner is None or job is None or job.metadata.uid != owner.uid:
            return None
        worker = self._worker(job)
        if worker is None or worker.stopping:
            return None
        return WorkerIdentity(worker.job_name, worker.job_uid, worker.stage, worker.attempt)

    async def _read_pod(self, name: str) -> Pod | None:
        try:
            with asking():
                found = await read_object(
                    await self._core.read_namespaced_pod_without_preload_content(name, self._settings.namespace)
                )
        except ClusterError as error:
            if error.code == 404:
                return None
            raise
        pod = Pod.model_validate(found)
        self._pods.put(pod)
        return pod

    async def _list(self, kind: Literal["jobs", "pods"], selector: str) -> list[JsonObject]:
        ask: Callable[..., Awaitable[Any]] = {
            "jobs": self._batch.list_namespaced_job_without_preload_content,
            "pods": self._core.list_namespaced_pod_without_preload_content,
        }[kind]
        found: list[JsonObject] = []
        token: str | None = None
        while True:
            with asking():
                page = await read_object(
                    await ask(self._settings.namespace, label_selector=selector, limit=_PAGE, _continue=token)
                )
            for body in page["items"]:
                self._seen(kind, body)
            found += page["items"]
            token = page["metadata"].get("continue") or None
            if token is None:
                return found

    def _worker(self, job: Job) -> Worker | None:
        return to_worker(job, self._pods.of(job.metadata.uid), self._clock(), self._settings.worker_lost_after)

    def _tell(self, job: Job) -> None:
        if worker := self._worker(job):
            self._publish(worker)

    def _publish(self, worker: Worker) -> None:
        for callback in self._callbacks:
            callback(worker)

    def _look_again(self, job_name: str, pod: Pod) -> None:
        """No event tells that a pod is still there although it should be gone."""
        due = pod.metadata.deletion_timestamp
        if due is None:
            return
        wait = (due + self._settings.worker_lost_after - self._clock()).total_seconds()
        asyncio.get_running_loop().call_later(max(0.0, wait) + 0.1, self._look, job_name)

    def _look(self, job_name: str) -> None:
        if job := self._jobs.get(job_name):
            self._tell(job)
