"""Derives the state of a worker from its Job and its Pod. Pure.

The Job alone does not say enough: why a pod waits, that it ran out of memory and that its node is lost stand in the
pod. A message must stay the same while nothing changes (it must not contain the seconds of a back-off, for example):
each change is a write of the job's status.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from whisperjob.model.machine_faults import SENTENCES, find_machine_fault
from whisperjob.model.phase import Reason, Stage
from whisperjob.model.workers import Worker, WorkerState
from whisperjob_operator import labels
from whisperjob_operator.kube_objects import ContainerStateTerminated, KubeJob, KubePod

_KILLED = 137
_MESSAGE_LENGTH = 300
_NO_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_NO_CONFIG = "CreateContainerConfigError"
"""A Secret or a key of it is missing. The kubelet names it, in a message that stays the same."""
_NO_CONTAINER = frozenset({_NO_CONFIG, "CreateContainerError", "RunContainerError", "CrashLoopBackOff"})


class FailReason(StrEnum):
    """The reasons of failed attempts that only a cluster has, beside `Reason`. All are the infrastructure's fault."""

    OUT_OF_MEMORY = "OutOfMemory"
    KILLED = "Killed"
    EVICTED = "Evicted"
    DISRUPTED = "Disrupted"
    NODE_LOST = "NodeLost"
    POD_DELETED = "PodDeleted"


MACHINE_REASONS = frozenset(
    {FailReason.EVICTED, FailReason.DISRUPTED, FailReason.NODE_LOST, FailReason.POD_DELETED, Reason.MACHINE_FAULT}
)
"""The cluster took the worker away, or it met a fault of its node: that is no failure of the job."""

MEMORY_REASONS = frozenset({FailReason.OUT_OF_MEMORY, FailReason.KILLED})
"""After these the next attempt gets more memory. A container of which only ffmpeg is killed just reports a SIGKILL."""


def to_worker(job: KubeJob, pods: Iterable[KubePod], now: datetime, lost_after: timedelta) -> Worker | None:
    """Returns the worker that this Job and its `pods` are, None if the Job runs no attempt of a WhisperJob."""
    owner = job.metadata.controller
    try:
        stage = Stage(job.metadata.labels[labels.STAGE])
        attempt = int(job.metadata.labels[labels.ATTEMPT])
    except (KeyError, ValueError):
        return None
    if owner is None or owner.kind != "WhisperJob":
        return None
    pending = Worker(
        name=job.metadata.name,
        job_name=owner.name,
        job_uid=owner.uid,
        stage=stage,
        attempt=attempt,
        state=WorkerState.PENDING,
        created_at=job.metadata.creation_timestamp,
        reason=Reason.WAITING,
        stopping=job.metadata.deletion_timestamp is not None,
    )
    pod = max(pods, key=lambda p: (p.metadata.creation_timestamp, p.metadata.name), default=None)
    worker = _with_pod(pending, pod, now, lost_after) if pod else pending
    worker = _with_job(worker, job, pod)
    failed = worker.state is WorkerState.FAILED
    return replace(
        worker,
        out_of_memory=failed and worker.reason in MEMORY_REASONS,
        machine_fault=failed and worker.reason in MACHINE_REASONS,
    )


def _with_job(worker: Worker, job: KubeJob, pod: KubePod | None) -> Worker:
    """Returns the worker with the state of its Job, which decides whether it ended. The pod knows better why."""
    if job.status.find_true("Complete", "SuccessCriteriaMet"):
        return replace(worker, state=WorkerState.SUCCEEDED, reason=Reason.SUCCEEDED, message="")
    if worker.state.ended:
        return worker
    if failed := job.status.find_true("Failed", "FailureTarget"):
        if pod is None:
            return replace(
                worker,
                state=WorkerState.FAILED,
                reason=FailReason.POD_DELETED,
                message="the worker's pod was deleted",
            )
        message = _truncate(failed.message) or failed.reason
        return replace(worker, state=WorkerState.FAILED, reason=Reason.INFRASTRUCTURE, message=message)
    if pod is None and job.spec.suspend:
        return replace(worker, message="a queue holds the worker back")
    return worker


def _with_pod(worker: Worker, pod: KubePod, now: datetime, lost_after: timedelta) -> Worker:
    ended = pod.container.state.terminated if pod.container else None
    worker = replace(
        worker, started_at=_started_at(pod, worker.created_at), ended_at=ended.finished_at if ended else None
    )
    if pod.status.phase == "Succeeded":
        return replace(worker, state=WorkerState.SUCCEEDED, reason=Reason.SUCCEEDED)
    if pod.status.phase == "Failed":
        return _failed(worker, pod, ended)
    if is_lost(pod, now, lost_after):
        worker = replace(worker, reason=FailReason.NODE_LOST, message="the node of the worker does not answer any more")
        return replace(worker, state=WorkerState.FAILED)
    if pod.container and (pod.container.state.running or ended):
        return replace(worker, state=WorkerState.RUNNING, reason="")
    return _pending(worker, pod)


def is_lost(pod: KubePod, now: datetime, lost_after: timedelta) -> bool:
    """Whether the pod should have been gone for `lost_after`, and has not ended.

    It should be gone at its `deletionTimestamp`, to which Kubernetes has added the grace period.
    """
    due = pod.metadata.deletion_timestamp
    return due is not None and not pod.status.ended and now >= due + lost_after


def _started_at(pod: KubePod, created_at: datetime) -> datetime | None:
    """Returns when the container started by the clock of its node, which may be wrong: never before its Job."""
    if pod.container is None:
        return None
    state = pod.container.state
    if state.running:
        started_at = state.running.started_at or pod.status.start_time
    else:
        started_at = state.terminated.started_at if state.terminated else None
    return max(started_at, created_at) if started_at else None


def _pending(worker: Worker, pod: KubePod) -> Worker:
    scheduled = pod.status.find_condition("PodScheduled")
    if scheduled and scheduled.status == "False":
        return replace(worker, reason=scheduled.reason or Reason.UNSCHEDULABLE, message=_truncate(scheduled.message))
    waiting = pod.container.state.waiting if pod.container else None
    if pod.container and waiting and waiting.reason in _NO_IMAGE:
        return replace(worker, reason=Reason.IMAGE_PULL, message=f"the image {pod.container.image} cannot be pulled")
    if waiting and waiting.reason in _NO_CONTAINER:
        detail = f": {waiting.message}" if waiting.reason == _NO_CONFIG and waiting.message else ""
        return replace(
            worker, reason=waiting.reason, message=_truncate(f"the worker's container cannot be started{detail}")
        )
    return worker


def _failed(worker: Worker, pod: KubePod, ended: ContainerStateTerminated | None) -> Worker:
    reason, message = _explain_failure(pod, ended)
    exceeded = reason == Reason.DEADLINE_EXCEEDED
    return replace(
        worker, state=WorkerState.FAILED, reason=reason, message=_truncate(message), deadline_exceeded=exceeded
    )


def _explain_failure(pod: KubePod, ended: ContainerStateTerminated | None) -> tuple[str, str]:
    """Returns (reason, message). What the kubelet or the node's controller say counts more than the exit code."""
    status = pod.status
    disrupted = status.find_condition("DisruptionTarget")
    if status.reason == "DeadlineExceeded":
        return Reason.DEADLINE_EXCEEDED, "the worker ran too long"
    if status.reason == "Evicted":
        return FailReason.EVICTED, f"the worker was evicted from its node: {status.message}"
    if disrupted and disrupted.status == "True":
        return FailReason.DISRUPTED, f"the worker was moved off its node ({disrupted.reason})"
    if ended and ended.reason == "OOMKilled":
        return FailReason.OUT_OF_MEMORY, "the worker ran out of memory (OOMKilled)"
    if pod.metadata.deletion_timestamp is not None:
        return FailReason.POD_DELETED, "the worker's pod was deleted"
    if ended and ended.exit_code == _KILLED:
        return FailReason.KILLED, "the worker was killed (SIGKILL)"
    if ended and (fault := find_machine_fault(ended.exit_code)):
        return Reason.MACHINE_FAULT, SENTENCES[fault]
    if ended:
        return Reason.INFRASTRUCTURE, f"the worker failed (exit code {ended.exit_code})"
    return status.reason or Reason.INFRASTRUCTURE, status.message or "the worker's pod failed"


def _truncate(message: str) -> str:
    return message if len(message) <= _MESSAGE_LENGTH else message[: _MESSAGE_LENGTH - 1] + "…"
