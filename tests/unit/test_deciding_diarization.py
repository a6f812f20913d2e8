"""The second stage's decisions: it runs on a completed job, once a request."""

from datetime import timedelta
from typing import Any

import pytest

from support.builders import SHA, UID, a_job, a_spec, a_timeline, a_worker, at, needs_result
from whisperjob.deciding.decision import AT_ONCE, Decision, Diarized, Observed, Policy, ProgressReport, VerdictGiven
from whisperjob.deciding.rules import decide
from whisperjob.model import names
from whisperjob.model.errors import JobCode
from whisperjob.model.manifest import Verdict
from whisperjob.model.phase import ConditionType, DiarizeStep, Phase, Reason, Stage, Step
from whisperjob.model.resource import (
    Condition,
    DiarizationRequest,
    DiarizationState,
    JobFailure,
    Output,
    Status,
    WhisperJob,
)
from whisperjob.model.workers import Worker, WorkerState

POLICY = Policy()
OUTPUT = Output(manifest_key="k", manifest_sha256=SHA, total_chunks=1, size_bytes=1)
WAITING = Condition(type=ConditionType.SCHEDULED, status="False", reason=Reason.WAITING, last_transition_time=at(60))
DIARIZED = Diarized(a_timeline(), "jobs/default/x/diarize/1/manifest.json", SHA)


def completed(state: DiarizationState | None = None, *, request: str | None = "r1", **spec: Any) -> WhisperJob:
    """A completed job whose spec asks for a diarization."""
    wanted = DiarizationRequest(request_id=request) if request else None
    conditions = (WAITING,) if state else ()
    return a_job(
        spec=a_spec(diarization=wanted, **spec),
        phase=Phase.COMPLETED,
        output=OUTPUT,
        attempt=1,
        diarization=state,
        conditions=conditions,
    )


def a_diarizer(attempt: int = 1, state: WorkerState = WorkerState.RUNNING, **changes: Any) -> Worker:
    name = names.worker_name(UID, Stage.DIARIZE, attempt)
    return a_worker(attempt, state, name=name, stage=Stage.DIARIZE, **changes)


def deciding(job: WhisperJob, *workers: Worker, now: float = 60, policy: Policy = POLICY, **seen: Any) -> Decision:
    return decide(job, Observed(workers=workers, **seen), at(now), policy)


def written(decision: Decision) -> Status:
    assert decision.status is not None, "no status is written"
    return decision.status


def state_of(decision: Decision) -> DiarizationState:
    state = written(decision).diarization
    assert state is not None
    return state


def state(request: str = "r1", **changes: Any) -> DiarizationState:
    return DiarizationState(request_id=request, **changes)


RUNNING = state(attempt=1, phase=Phase.PROCESSING, step=DiarizeStep.LOADING)
DONE = state(attempt=1, phase=Phase.COMPLETED, completion_time=at(0), result_key="old", num_speakers=2)


class TestAsking:
    def test_a_request_becomes_a_fresh_state_that_waits(self) -> None:
        decision = deciding(completed())
        assert state_of(decision) == state(request_time=at(60))
        scheduled = written(decision).condition(ConditionType.SCHEDULED)
        assert scheduled is not None
        assert (scheduled.status, scheduled.last_transition_time) == ("False", at(60))
        assert decision.requeue_after == AT_ONCE

    def test_then_its_first_worker_is_started(self) -> None:
        assert deciding(completed(state())) == Decision(launch_attempt=1, launch_stage=Stage.DIARIZE)

    def test_a_job_that_is_still_optimised_comes_first(self) -> None:
        job = a_job(spec=a_spec(diarization=DiarizationRequest(request_id="r1")))
        assert deciding(job) == Decision(launch_attempt=1, launch_stage=Stage.OPTIMIZE)

    def test_a_failed_job_is_not_diarized(self) -> None:
        failure = JobFailure(code=JobCode.NO_AUDIO, message="No sound.")
        job = a_job(spec=a_spec(diarization=DiarizationRequest(request_id="r1")), phase=Phase.ERROR, error=failure)
        assert deciding(job) == Decision(requeue_after=POLICY.retention - timedelta(seconds=60))

    def test_a_job_whose_request_is_answered_is_idle(self) -> None:
        assert deciding(completed(DONE)).status is None

    def test_another_request_starts_over_beyond_every_attempt_of_the_last(self) -> None:
        decision = deciding(completed(DONE, request="r2"))
        assert state_of(decision) == state("r2", attempt=2, request_time=at(60))

    def test_another_request_stops_the_worker_of_the_last(self) -> None:
        worker = a_diarizer()
        decision = deciding(completed(RUNNING, request="r2"), worker)
        assert decision.stop == (worker.name,)
        assert state_of(decision).attempt == 2

    def test_without_a_diarizer_it_says_so(self) -> None:
        error = state_of(deciding(completed(state()), policy=Policy(diarizes=False))).error
        assert error is not None
        assert error.code is JobCode.MODEL_UNAVAILABLE


class TestRunning:
    def test_a_running_worker_makes_it_processing_and_leaves_the_job_completed(self) -> None:
        worker = a_diarizer()
        status = written(deciding(completed(state()), worker))
        assert status.phase is Phase.COMPLETED
        assert status.diarization == state(
            attempt=1, phase=Phase.PROCESSING, step=DiarizeStep.LOADING, start_time=worker.started_at
        )

    def test_the_status_says_why_it_waits(self) -> None:
        why = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
        waiting = a_diarizer(1, WorkerState.PENDING, reason=Reason.UNSCHEDULABLE, message=why)
        scheduled = written(deciding(completed(state(attempt=1)), waiting)).condition(ConditionType.SCHEDULED)
        assert scheduled is not None
        assert (scheduled.status, scheduled.reason, scheduled.message) == ("False", "Unschedulable", why)

    @pytest.mark.parametrize(
        ("report", "expected"),
        [
            (ProgressReport(1, DiarizeStep.SEGMENTATION, 15), (DiarizeStep.SEGMENTATION, 15)),
            (ProgressReport(1, DiarizeStep.SEGMENTATION, 95), (DiarizeStep.SEGMENTATION, 20)),
            (ProgressReport(1, DiarizeStep.CLUSTERING, 100), (DiarizeStep.CLUSTERING, 99)),
            (ProgressReport(1, Step.ENHANCING, 60), (DiarizeStep.LOADING, 0)),
            (ProgressReport(2, DiarizeStep.EMBEDDINGS, 60), (DiarizeStep.LOADING, 0)),
        ],
    )
    def test_progress(self, report: ProgressReport, expected: tuple[DiarizeStep, int]) -> None:
        had = completed(RUNNING)
        got = (deciding(had, a_diarizer(), report=report).status or had.status).diarization
        assert got is not None
        assert (got.step, got.progress) == expected

    def test_what_its_owner_should_know_is_a_condition(self) -> None:
        note = "The GPU's memory did not do: smaller batches."
        status = written(
            deciding(completed(RUNNING), a_diarizer(), report=ProgressReport(1, DiarizeStep.EMBEDDINGS, 50, note=note))
        )
        condition = status.condition(ConditionType.DIARIZED)
        assert condition is not None
        assert (condition.status, condition.message) == ("False", note)

    def test_only_so_many_run_at_a_time(self) -> None:
        policy = Policy(max_diarizations=1)
        waits = deciding(completed(state()), policy=policy, ahead=1)
        scheduled = written(waits).condition(ConditionType.SCHEDULED)
        assert scheduled is not None
        assert "1 diarization(s) are running, which is the limit." in scheduled.message
        assert deciding(completed(state()), policy=policy, ahead=0).launch_attempt == 1

    def test_waiting_for_capacity_is_written_once(self) -> None:
        policy = Policy(max_diarizations=1)
        first = written(deciding(completed(state()), policy=policy, ahead=1))
        again = deciding(completed(state()).model_copy(update={"status": first}), now=90, policy=policy, ahead=1)
        assert (again.status, again.launch_attempt) == (None, None)


class TestEnding:
    def test_a_timeline_completes_it(self) -> None:
        job = completed(RUNNING)
        decision = deciding(job, a_diarizer(1, WorkerState.SUCCEEDED), result=DIARIZED)
        got, status = state_of(decision), written(decision)
        assert (got.phase, got.progress, got.num_speakers, got.total_segments) == (Phase.COMPLETED, 100, 2, 3)
        assert (got.result_key, got.model, got.completion_time) == (DIARIZED.key, "test 1", at(60))
        assert (status.phase, status.output, status.completion_time) == (Phase.COMPLETED, OUTPUT, at(0))
        condition = status.condition(ConditionType.DIARIZED)
        assert condition is not None
        assert condition.status == "True"

    def test_a_model_that_cannot_be_had_fails_it_at_once(self) -> None:
        verdict = VerdictGiven(Verdict(code=JobCode.MODEL_UNAVAILABLE, message="Set HF_TOKEN."))
        decision = deciding(completed(RUNNING), a_diarizer(1, WorkerState.SUCCEEDED), result=verdict)
        assert state_of(decision).error == JobFailure(code=JobCode.MODEL_UNAVAILABLE, message="Set HF_TOKEN.")
        assert (written(decision).phase, written(decision).error) == (Phase.COMPLETED, None)

    def test_a_worker_out_of_memory_is_followed_by_one_with_more(self) -> None:
        failed = a_diarizer(1, WorkerState.FAILED, reason="OutOfMemory", message="no memory", out_of_memory=True)
        got = state_of(deciding(completed(RUNNING), failed))
        assert (got.failure_count, got.out_of_memory) == (1, True)
        assert got.next_attempt_time == at(60) + POLICY.retry.base

    def test_its_failures_are_counted_apart_from_the_job_s(self) -> None:
        failed = a_diarizer(1, WorkerState.FAILED)
        last = RUNNING.model_copy(update={"failure_count": 2})
        decision = deciding(completed(last), failed)
        error = state_of(decision).error
        assert error is not None
        assert (error.code, written(decision).failure_count) == (JobCode.INFRASTRUCTURE, 0)

    def test_one_that_can_never_run_ends_at_its_start_deadline(self) -> None:
        waiting = a_diarizer(1, WorkerState.PENDING, message="0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
        job = completed(state(attempt=1))
        error = state_of(deciding(job, waiting, now=60 + POLICY.start_deadline.total_seconds())).error
        assert error is not None
        assert error.code is JobCode.START_DEADLINE
        assert "Insufficient nvidia.com/gpu" in error.message

    def test_a_cancel_ends_it(self) -> None:
        worker = a_diarizer()
        decision = deciding(completed(RUNNING, cancel=True), worker)
        error = state_of(decision).error
        assert error is not None
        assert (error.code, decision.stop) == (JobCode.CANCELLED, (worker.name,))

    def test_a_suspended_one_waits_without_its_worker(self) -> None:
        worker = a_diarizer()
        decision = deciding(completed(RUNNING, suspend=True), worker)
        assert (state_of(decision).phase, decision.stop) == (Phase.QUEUED, (worker.name,))

    def test_the_record_stays_until_it_ended_and_its_time_is_over_from_then(self) -> None:
        late = POLICY.retention.total_seconds() + 1
        assert not deciding(completed(RUNNING), a_diarizer(), now=late).delete_record
        ended = DONE.model_copy(update={"completion_time": at(late)})
        assert not deciding(completed(ended), now=late + 1).delete_record
        assert deciding(completed(ended), now=2 * late).delete_record

    def test_the_result_is_read_when_the_worker_has_ended_or_is_gone(self) -> None:
        assert needs_result(completed(RUNNING), ())
        assert needs_result(completed(RUNNING), (a_diarizer(1, WorkerState.SUCCEEDED),))
        assert not needs_result(completed(RUNNING), (a_diarizer(),))
        assert not needs_result(completed(DONE), ())
        assert not needs_result(completed(DONE, request="r2"), ())

    def test_an_optimizer_that_is_left_over_is_stopped(self) -> None:
        left = a_worker(1)
        assert deciding(completed(RUNNING), a_diarizer(), left).stop == (left.name,)
