"""What follows a fault of the machine, and a request to run a job again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.builders import T0, a_job, a_spec, a_worker, at
from whisperjob.deciding.decision import Decision, Observed, Policy
from whisperjob.deciding.rules import decide
from whisperjob.engine.garbage import needed_objects
from whisperjob.model.errors import RETRYABLE_CODES, JobCode, RecordInvalidError
from whisperjob.model.immutability import check_status_change
from whisperjob.model.phase import ConditionType, Phase, Reason
from whisperjob.model.resource import Condition, JobFailure, Status, WhisperJob
from whisperjob.model.stages import active_stage
from whisperjob.model.workers import Worker, WorkerState

FAULTY = a_worker(1, WorkerState.FAILED, message="the disk has no space left for the work", machine_fault=True)


def deciding(job: WhisperJob, *workers: Worker, now: float = 60) -> Decision:
    return decide(job, Observed(workers=workers), at(now), Policy())


def written(decision: Decision) -> Status:
    assert decision.status is not None, "no status is written"
    return decision.status


def in_error(code: JobCode, **status: Any) -> WhisperJob:
    error = JobFailure(code=code, message="It failed.")
    failed = Condition(type=ConditionType.FAILED, status="True", reason="Infrastructure", last_transition_time=T0)
    return a_job(phase=Phase.ERROR, error=error, attempt=3, failure_count=3, conditions=(failed,), **status)


def asked_again(job: WhisperJob, retry: str = "again") -> WhisperJob:
    return job.model_copy(update={"spec": job.spec.with_retry(retry)})


class TestMachineFaults:
    def test_it_is_no_failure_and_the_job_says_what_it_waits_for(self) -> None:
        status = written(deciding(a_job(attempt=1, phase=Phase.PROCESSING, progress=40), FAULTY))
        assert (status.phase, status.failure_count, status.machine_fault_count) == (Phase.QUEUED, 0, 1)
        assert status.progress == 40
        scheduled = status.condition(ConditionType.SCHEDULED)
        assert scheduled is not None
        assert (scheduled.reason, scheduled.message) == (
            Reason.MACHINE_FAULT,
            "The disk has no space left for the work.",
        )

    def test_none_is_one_too_many(self) -> None:
        status = written(deciding(a_job(attempt=1, machine_fault_count=10_000), FAULTY))
        assert (status.phase, status.machine_fault_count) == (Phase.QUEUED, 10_001)

    def test_the_wait_grows_to_minutes(self) -> None:
        waits = [
            deciding(a_job(attempt=1, machine_fault_count=count), FAULTY).requeue_after for count in (0, 1, 2, 6, 50)
        ]
        seconds = [wait.total_seconds() for wait in waits if wait]
        assert seconds == [5, 10, 20, 300, 300]

    def test_the_next_attempt_follows(self) -> None:
        waiting = a_job(attempt=1).model_copy(update={"status": written(deciding(a_job(attempt=1), FAULTY))})
        assert deciding(waiting, now=62).launch_attempt is None
        assert deciding(waiting, now=66).launch_attempt == 2

    def test_the_start_deadline_does_not_end_a_job_that_waits_for_the_machine(self) -> None:
        waiting = a_job(attempt=1).model_copy(update={"status": written(deciding(a_job(attempt=1), FAULTY))})
        late = deciding(waiting, now=timedelta(days=6).total_seconds())
        assert late.launch_attempt == 2

    def test_a_failure_is_still_counted(self) -> None:
        failed = replace(FAULTY, machine_fault=False)
        status = written(deciding(a_job(attempt=1, machine_fault_count=7), failed))
        assert (status.failure_count, status.machine_fault_count) == (1, 7)

    def test_a_job_that_waits_can_be_cancelled(self) -> None:
        waiting = a_job(attempt=1).model_copy(update={"status": written(deciding(a_job(attempt=1), FAULTY))})
        cancelled = waiting.model_copy(update={"spec": waiting.spec.model_copy(update={"cancel": True})})
        assert written(deciding(cancelled)).phase is Phase.ERROR


class TestRunningAgain:
    @pytest.mark.parametrize("code", sorted(RETRYABLE_CODES))
    def test_it_is_queued_with_all_its_attempts(self, code: JobCode) -> None:
        status = written(deciding(asked_again(in_error(code))))
        assert (status.phase, status.failure_count, status.progress) == (Phase.QUEUED, 0, 0)
        assert (status.error, status.completion_time, status.retry) == (None, None, "again")
        assert status.attempt > 3, "what a worker of the last run left, or leaves, must not count for this one"
        assert status.condition(ConditionType.FAILED) is None

    @pytest.mark.parametrize("code", sorted(set(JobCode) - RETRYABLE_CODES))
    def test_a_recording_that_is_at_fault_is_not_run_again(self, code: JobCode) -> None:
        assert active_stage(asked_again(in_error(code))) is None
        assert deciding(asked_again(in_error(code))).status is None

    def test_a_request_is_answered_once(self) -> None:
        again = asked_again(in_error(JobCode.INFRASTRUCTURE, retry="again"))
        assert active_stage(again) is None
        assert active_stage(asked_again(again, "another")) is not None

    @pytest.mark.parametrize("phase", [Phase.QUEUED, Phase.PROCESSING])
    def test_a_job_that_has_not_ended_goes_on(self, phase: Phase) -> None:
        job = asked_again(a_job(phase=phase, attempt=1))
        assert deciding(job, a_worker(1)).launch_attempt is None

    def test_the_start_deadline_counts_anew(self) -> None:
        job = asked_again(in_error(JobCode.START_DEADLINE))
        now = timedelta(days=3).total_seconds()
        queued = job.model_copy(update={"status": written(deciding(job, now=now))})
        assert deciding(queued, now=now + 1).launch_attempt is not None

    def test_only_a_request_opens_what_is_final(self) -> None:
        old = in_error(JobCode.INFRASTRUCTURE).status
        queued = Status(phase=Phase.QUEUED, attempt=4, retry="again")
        check_status_change(old, queued)
        with pytest.raises(RecordInvalidError):
            check_status_change(old, queued.model_copy(update={"retry": None}))
        with pytest.raises(RecordInvalidError):
            check_status_change(in_error(JobCode.NOT_MEDIA).status, queued)


@pytest.mark.parametrize("code", JobCode)
def test_the_upload_stays_while_the_job_can_run_again(code: JobCode) -> None:
    job = in_error(code)
    kept = needed_objects(job, keep_source=False).source_key
    assert kept == (a_spec().source.key if code in RETRYABLE_CODES else None)
