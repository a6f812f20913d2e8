"""What a Job and its Pod say about an attempt. Pure.

The Job alone does not tell enough: why a pod waits, that it ran out of memory, that its node is lost stand in the pod.
Sentences must not change while nothing changes (a back-off's seconds, for one): each change is a write of the status.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from whisperjob.model.phase import Reason, Stage
from whisperjob.model.workers import Worker, WorkerState
from whisperjob_operator import labels
from whisperjob_operator.objects import Job, Pod, Terminated

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
"""A Secret or a key of it is missing; the kubelet names it, in words that stay the same."""
_NO_CONTAINER = frozenset({_NO_CONFIG, "CreateContainerError", "RunContainerError", "CrashLoopBackOff"})


class FailReason(StrEnum):
    """Why an attempt failed, beside `Reason`. All of them are the infrastructure's fault."""

    OUT_OF_MEMORY = "OutOfMemory"
    KILLED = "Killed"
    EVICTED = "Evicted"
    DISRUPTED = "Disrupted"
    NODE_LOST = "NodeLost"
    POD_DELETED = "PodDeleted"


MEMORY_REASONS = frozenset({FailReason.OUT_OF_MEMORY, FailReason.KILLED})
"""After these the next attempt gets more memory: where only ffmpeg is killed, the container just sees a SIGKILL."""


def to_worker(job: Job, pods: Iterable[Pod], now: datetime, lost_after: timedelta) -> Worker | None:
    """The attempt that this Job runs, None if it is no worker of ours. `pods` are the Job's own."""
    owner = job.metadata.controller
    try:
        stage = Stage(job.metadata.labels[labels.STAGE])
        attempt = int(job.metadata.labels[labels.ATTEMPT])
    except (KeyError, ValueError):
        return None
    if owner is None or owner.kind != "WhisperJob":
        return None
    waiting = Worker(
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
    seen = _from_pod(waiting, pod, now, lost_after) if pod else waiting
    worker = _with_job(seen, job, pod)
    return replace(worker, out_of_memory=worker.state.ended and worker.reason in MEMORY_REASONS)


def _with_job(worker: Worker, job: Job, pod: Pod | None) -> Worker:
    """The Job's own verdict stands above what its pod says so far; why it failed, the pod knows better."""
    if done := job.status.holds("Complete", "SuccessCriteriaMet"):
        return replace(worker, state=WorkerState.SUCCEEDED, reason=Reason.SUCCEEDED, message="")
    if worker.state.ended:
        return worker
    if done := job.status.holds("Failed", "FailureTarget"):
        why = _deleted(worker) if pod is None else replace(worker, reason=Reason.INFRASTRUCTURE, message="")
        return replace(why, state=WorkerState.FAILED, message=why.message or _short(done.message) or done.reason)
    if pod is None and job.spec.suspend:
        return replace(worker, message="a queue holds the worker back")
    return worker


def _deleted(worker: Worker) -> Worker:
    return replace(worker, reason=FailReason.POD_DELETED, message="the worker's pod was deleted")


def _from_pod(worker: Worker, pod: Pod, now: datetime, lost_after: timedelta) -> Worker:
    state = pod.status
    ended = pod.worker.state.terminated if pod.worker else None
    worker = replace(worker, started_at=_started(pod), ended_at=ended.finished_at if ended else None)
    if state.phase == "Succeeded":
        return replace(worker, state=WorkerState.SUCCEEDED, reason=Reason.SUCCEEDED)
    if state.phase == "Failed":
        return _failed(worker, pod, ended)
    if is_lost(pod, now, lost_after):
        worker = replace(worker, reason=FailReason.NODE_LOST, message="the node of the worker does not answer any more")
        return replace(worker, state=WorkerState.FAILED)
    if pod.worker and (pod.worker.state.running or ended):
        return replace(worker, state=WorkerState.RUNNING, reason="")
    return _pending(worker, pod)


def is_lost(pod: Pod, now: datetime, lost_after: timedelta) -> bool:
    """It was to be gone at `deletionTimestamp` (Kubernetes adds the grace itself) and is still there, unended."""
    due = pod.metadata.deletion_timestamp
    return due is not None and pod.status.phase not in ("Succeeded", "Failed") and now >= due + lost_after


def _started(pod: Pod) -> datetime | None:
    if pod.worker is None:
        return None
    state = pod.worker.state
    if state.running:
        return state.running.started_at or pod.status.start_time
    return state.terminated.started_at if state.terminated else None


def _pending(worker: Worker, pod: Pod) -> Worker:
    scheduled = pod.status.condition("PodScheduled")
    if scheduled and scheduled.status == "False":
        return replace(worker, reason=scheduled.reason or Reason.UNSCHEDULABLE, message=_short(scheduled.message))
    waiting = pod.worker.state.waiting if pod.worker else None
    if pod.worker and waiting and waiting.reason in _NO_IMAGE:
        return replace(worker, reason=Reason.IMAGE_PULL, message=f"the image {pod.worker.image} cannot be pulled")
    if waiting and waiting.reason in _NO_CONTAINER:
        why = f": {waiting.message}" if waiting.reason == _NO_CONFIG and waiting.message else ""
        return replace(worker, reason=waiting.reason, message=_short(f"the worker's container cannot be started{why}"))
    return worker


def _failed(worker: Worker, pod: Pod, ended: Terminated | None) -> Worker:
    reason, message = _why(pod, ended)
    exceeded = reason == Reason.DEADLINE_EXCEEDED
    return replace(worker, state=WorkerState.FAILED, reason=reason, message=_short(message), deadline_exceeded=exceeded)


def _why(pod: Pod, ended: Terminated | None) -> tuple[str, str]:
    """What the kubelet or the node's controller say stands above the exit code, which is only its consequence."""
    state = pod.status
    disrupted = state.condition("DisruptionTarget")
    if state.reason == "DeadlineExceeded":
        return Reason.DEADLINE_EXCEEDED, "the worker ran too long"
    if state.reason == "Evicted":
        return FailReason.EVICTED, f"the worker was evicted from its node: {state.message}"
    if disrupted and disrupted.status == "True":
        return FailReason.DISRUPTED, f"the worker was moved off its node ({disrupted.reason})"
    if ended and ended.reason == "OOMKilled":
        return FailReason.OUT_OF_MEMORY, "the worker ran out of memory (OOMKilled)"
    if pod.metadata.deletion_timestamp is not None:
        return FailReason.POD_DELETED, "the worker's pod was deleted"
    if ended and ended.exit_code == _KILLED:
        return FailReason.KILLED, "the worker was killed (SIGKILL)"
    if ended:
        return Reason.INFRASTRUCTURE, f"the worker failed (exit code {ended.exit_code})"
    return state.reason or Reason.INFRASTRUCTURE, state.message or "the worker's pod failed"


def _short(message: str) -> str:
    return message if len(message) <= _MESSAGE_LENGTH else message[: _MESSAGE_LENGTH - 1] + "…"
