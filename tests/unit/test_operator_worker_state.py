"""The state of a worker, derived from its Job and its pod."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.builders import T0, UID, at
from support.kubernetes.objects import a_kube_job, a_pod, rfc3339
from whisperjob.model import names
from whisperjob.model.phase import Reason, Stage
from whisperjob.model.workers import Worker, WorkerState
from whisperjob_operator.kube_objects import KubeJob, KubePod
from whisperjob_operator.worker_state import FailReason, to_worker

LOST_AFTER = timedelta(seconds=30)
RUNNING = {"running": {"startedAt": rfc3339(at(5))}}
DELETED = {"metadata": {"deletionTimestamp": rfc3339(at(60))}}


def ended(exit_code: int, reason: str = "Error") -> dict[str, Any]:
    times = {"startedAt": rfc3339(at(5)), "finishedAt": rfc3339(at(9))}
    return {"terminated": {"exitCode": exit_code, "reason": reason, **times}}


def true(kind: str, **more: str) -> dict[str, str]:
    return {"type": kind, "status": "True", **more}


def worker_of(job: KubeJob, pods: list[KubePod], now: float = 10) -> Worker:
    worker = to_worker(job, pods, at(now), LOST_AFTER)
    assert worker is not None
    return worker


def test_a_worker_belongs_to_a_stage_and_an_attempt_of_a_job() -> None:
    worker = worker_of(a_kube_job(attempt=3), [])
    expected = Worker(
        name=names.worker_name(UID, Stage.OPTIMIZE, 3),
        job_name="talk",
        job_uid=UID,
        stage=Stage.OPTIMIZE,
        attempt=3,
        state=WorkerState.PENDING,
        created_at=T0,
        reason=Reason.WAITING,
    )
    assert worker == expected


@pytest.mark.parametrize(
    "change", [{"labels": {}}, {"labels": {"whisperjob.dev/stage": "?"}}, {"ownerReferences": []}], ids=str
)
def test_a_job_that_runs_no_attempt_is_no_worker(change: dict[str, Any]) -> None:
    assert to_worker(a_kube_job(**change), [], T0, LOST_AFTER) is None


@pytest.mark.parametrize(
    ("pod", "reason", "message"),
    [
        pytest.param(a_pod(), "Waiting", "", id="new"),
        pytest.param(a_pod(state={"waiting": {"reason": "ContainerCreating"}}), "Waiting", "", id="being created"),
        pytest.param(
            a_pod(
                conditions=[
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes: taint",
                    }
                ]
            ),
            "Unschedulable",
            "0/3 nodes: taint",
            id="no room",
        ),
        pytest.param(
            a_pod(state={"waiting": {"reason": "ErrImagePull", "message": "dial tcp"}}),
            "ImagePull",
            "the image registry.example/o:1 cannot be pulled",
            id="no image",
        ),
        pytest.param(
            a_pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "Back-off 40s"}}),
            "ImagePull",
            "the image registry.example/o:1 cannot be pulled",
            id="no image, the same message",
        ),
        pytest.param(
            a_pod(state={"waiting": {"reason": "CreateContainerError", "message": "context deadline exceeded"}}),
            "CreateContainerError",
            "the worker's container cannot be started",
            id="no container, the same message",
        ),
        pytest.param(
            a_pod(state={"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "hub" not found'}}),
            "CreateContainerConfigError",
            'the worker\'s container cannot be started: secret "hub" not found',
            id="no secret",
        ),
    ],
)
def test_what_a_worker_waits_for(pod: KubePod, reason: str, message: str) -> None:
    worker = worker_of(a_kube_job(), [pod])
    assert (worker.state, worker.reason, worker.message) == (WorkerState.PENDING, reason, message)


def test_a_queue_holds_it_back() -> None:
    worker = worker_of(a_kube_job(suspend=True), [])
    assert (worker.state, worker.message) == (WorkerState.PENDING, "a queue holds the worker back")


def test_a_running_worker_has_a_start_time() -> None:
    worker = worker_of(a_kube_job(), [a_pod("Running", RUNNING)])
    assert (worker.state, worker.started_at, worker.reason) == (WorkerState.RUNNING, at(5), "")


@pytest.mark.parametrize(
    ("pod", "reason", "message"),
    [
        pytest.param(
            a_pod("Failed", ended(137, "OOMKilled")),
            FailReason.OUT_OF_MEMORY,
            "the worker ran out of memory (OOMKilled)",
            id="oom",
        ),
        pytest.param(
            a_pod("Failed", ended(1, "OOMKilled")),
            FailReason.OUT_OF_MEMORY,
            "the worker ran out of memory (OOMKilled)",
            id="oom of its program alone",
        ),
        pytest.param(a_pod("Failed", ended(137)), FailReason.KILLED, "the worker was killed (SIGKILL)", id="killed"),
        pytest.param(a_pod("Failed", ended(1)), Reason.INFRASTRUCTURE, "the worker failed (exit code 1)", id="crashed"),
        pytest.param(
            a_pod("Failed", ended(137), reason="Evicted", message="low on disk"),
            FailReason.EVICTED,
            "the worker was evicted from its node: low on disk",
            id="evicted",
        ),
        pytest.param(
            a_pod("Failed", ended(143), conditions=[true("DisruptionTarget", reason="PreemptionByScheduler")]),
            FailReason.DISRUPTED,
            "the worker was moved off its node (PreemptionByScheduler)",
            id="preempted",
        ),
        pytest.param(
            a_pod("Failed", ended(143), **DELETED), FailReason.POD_DELETED, "the worker's pod was deleted", id="deleted"
        ),
        pytest.param(
            a_pod("Failed", reason="UnexpectedAdmissionError", message="no GPU"),
            "UnexpectedAdmissionError",
            "no GPU",
            id="refused by its node",
        ),
    ],
)
def test_why_a_worker_failed(pod: KubePod, reason: str, message: str) -> None:
    worker = worker_of(a_kube_job(conditions=[true("Failed", reason="BackoffLimitExceeded", message="x")]), [pod])
    assert (worker.state, worker.reason, worker.message) == (WorkerState.FAILED, reason, message)
    assert not worker.deadline_exceeded


def test_a_worker_that_ran_too_long() -> None:
    worker = worker_of(a_kube_job(), [a_pod("Failed", ended(137), reason="DeadlineExceeded")])
    assert (worker.state, worker.deadline_exceeded) == (WorkerState.FAILED, True)


@pytest.mark.parametrize("kind", ["Failed", "FailureTarget"])
def test_a_job_that_failed_without_a_pod(kind: str) -> None:
    worker = worker_of(a_kube_job(conditions=[true(kind, reason="BackoffLimitExceeded", message="x")]), [])
    assert (worker.state, worker.reason) == (WorkerState.FAILED, FailReason.POD_DELETED)


@pytest.mark.parametrize("kind", ["Complete", "SuccessCriteriaMet"])
def test_a_job_that_completed_without_a_pod(kind: str) -> None:
    assert worker_of(a_kube_job(conditions=[true(kind)]), []).state is WorkerState.SUCCEEDED


def test_a_pod_shows_its_success_before_the_job_does() -> None:
    worker = worker_of(a_kube_job(), [a_pod("Succeeded", ended(0, "Completed"))])
    assert (worker.state, worker.ended_at) == (WorkerState.SUCCEEDED, at(9))


@pytest.mark.parametrize(("now", "state"), [(89, WorkerState.RUNNING), (90, WorkerState.FAILED)])
def test_a_pod_that_cannot_end_is_on_a_lost_node(now: float, state: WorkerState) -> None:
    worker = worker_of(a_kube_job(), [a_pod("Running", RUNNING, **DELETED)], now)
    assert worker.state is state
    assert (worker.reason == FailReason.NODE_LOST) == (state is WorkerState.FAILED)


def test_a_job_that_is_being_deleted_is_stopping() -> None:
    before = worker_of(a_kube_job(), [a_pod("Running", RUNNING)])
    after = worker_of(a_kube_job(deletionTimestamp=rfc3339(at(9))), [a_pod("Running", RUNNING)])
    assert after == replace(before, stopping=True)


def test_the_newest_pod_counts() -> None:
    old = a_pod("Failed", ended(1))
    new = a_pod("Running", RUNNING, metadata={"name": "pod-2", "creationTimestamp": rfc3339(at(1))})
    assert worker_of(a_kube_job(), [new, old]).state is WorkerState.RUNNING


def test_long_messages_are_truncated() -> None:
    pod = a_pod(
        conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "x" * 1000}]
    )
    assert len(worker_of(a_kube_job(), [pod]).message) == 300
