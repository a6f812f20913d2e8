"""The decisions, as tables: what is observed on the left, what is done about it on the right."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.builders import SHA, a_job, a_manifest, a_spec, a_worker, at, needs_result
from whisperjob.deciding.decision import Decision, Finished, Observed, Policy, ProgressReport, Unusable, VerdictGiven
from whisperjob.deciding.rules import decide
from whisperjob.model.errors import JobCode
from whisperjob.model.manifest import Verdict
from whisperjob.model.phase import ConditionType, Phase, Reason, Stage, Step
from whisperjob.model.resource import Deadlines, JobFailure, Output, Status, WhisperJob
from whisperjob.model.workers import Worker, WorkerState

POLICY = Policy()
PENDING = a_worker(1, WorkerState.PENDING)
RUNNING = a_worker(1)
SUCCEEDED = a_worker(1, WorkerState.SUCCEEDED)
FAILED = a_worker(1, WorkerState.FAILED, reason="OOMKilled", message="the worker ran out of memory")
OUTPUT = Output(manifest_key="k", manifest_sha256=SHA, total_chunks=1, size_bytes=1)
FINISHED = Finished(a_manifest((16_000,), warnings=("silent",)), "jobs/x/manifest.json", SHA)


def deciding(job: WhisperJob, *workers: Worker, now: float = 60, policy: Policy = POLICY, **seen: Any) -> Decision:
    return decide(job, Observed(workers=workers, **seen), at(now), policy)


def written(decision: Decision) -> Status:
    assert decision.status is not None, "no status is written"
    return decision.status


class TestStarting:
    def test_a_new_job_gets_its_first_attempt(self) -> None:
        assert deciding(a_job()) == Decision(launch_attempt=1)

    def test_a_started_worker_is_adopted_in_the_next_pass(self) -> None:
        status = written(deciding(a_job(), PENDING))
        assert (status.attempt, status.phase, status.progress) == (1, Phase.QUEUED, 0)

    def test_an_adopted_worker_is_not_written_again(self) -> None:
        adopted = a_job().model_copy(update={"status": written(deciding(a_job(), PENDING))})
        assert deciding(adopted, PENDING).status is None

    def test_a_running_worker_makes_the_job_processing(self) -> None:
        status = written(deciding(a_job(attempt=1), RUNNING))
        assert (status.phase, status.step, status.progress) == (Phase.PROCESSING, Step.ANALYZING, 5)
        assert status.start_time == RUNNING.started_at

    def test_the_status_says_why_a_worker_waits(self) -> None:
        waiting = replace(PENDING, reason="Unschedulable", message="0/1 nodes are available: 1 Insufficient cpu.")
        condition = written(deciding(a_job(attempt=1), waiting)).condition(ConditionType.SCHEDULED)
        assert condition is not None
        assert (condition.status, condition.reason, condition.message) == ("False", "Unschedulable", waiting.message)

    def test_a_job_of_another_uid_with_this_name_does_not_get_these_workers(self) -> None:
        assert deciding(a_job(uid="other"), RUNNING).launch_attempt == 1

    def test_workers_of_another_stage_do_not_count(self) -> None:
        assert deciding(a_job(), replace(RUNNING, stage=Stage.DIARIZE)).launch_attempt == 1


class TestProgress:
    @pytest.mark.parametrize(
        ("had", "report", "expected"),
        [
            pytest.param(
                (Step.ANALYZING, 5), ProgressReport(1, Step.ENHANCING, 61.7), (Step.ENHANCING, 61), id="moves on"
            ),
            pytest.param(
                (Step.ENHANCING, 70), ProgressReport(1, Step.ENHANCING, 61), (Step.ENHANCING, 70), id="never back"
            ),
            pytest.param(
                (Step.ANALYZING, 5), ProgressReport(1, Step.ENHANCING, 99), (Step.ENHANCING, 85), id="held in its step"
            ),
            pytest.param(
                (Step.ENHANCING, 85), ProgressReport(1, Step.SPLITTING, 100), (Step.SPLITTING, 99), id="100 is done's"
            ),
            pytest.param(
                (Step.ANALYZING, 5), ProgressReport(2, Step.ENHANCING, 61), (Step.ANALYZING, 5), id="another attempt's"
            ),
        ],
    )
    def test_table(self, had: tuple[Step, int], report: ProgressReport, expected: tuple[Step, int]) -> None:
        job = a_job(attempt=1, phase=Phase.PROCESSING, step=had[0], progress=had[1])
        decision = deciding(job, RUNNING, report=report)
        status = decision.status or job.status
        assert (status.step, status.progress) == expected

    def test_a_second_attempt_keeps_the_mark_of_the_first_until_it_passes_it(self) -> None:
        job = a_job(attempt=2, phase=Phase.PROCESSING, step=Step.ENHANCING, progress=70)
        early = deciding(job, a_worker(2), report=ProgressReport(2, Step.ANALYZING_LOUDNESS, 20)).status or job.status
        late = written(deciding(job, a_worker(2), report=ProgressReport(2, Step.ENHANCING, 80)))
        assert (early.step, early.progress) == (Step.ENHANCING, 70)
        assert (late.step, late.progress) == (Step.ENHANCING, 80)

    def test_the_length_is_known_as_soon_as_the_worker_says_it(self) -> None:
        job = a_job(attempt=1, phase=Phase.PROCESSING)
        report = ProgressReport(1, Step.ANALYZING, 6, duration_seconds=61.5)
        assert written(deciding(job, RUNNING, report=report)).duration_seconds == 61.5


class TestEnding:
    def test_a_result_completes_the_job(self) -> None:
        decision = deciding(a_job(attempt=1, phase=Phase.PROCESSING), SUCCEEDED, result=FINISHED)
        status = written(decision)
        assert (status.phase, status.step, status.progress) == (Phase.COMPLETED, Step.DONE, 100)
        assert status.output == Output(
            manifest_key=FINISHED.key, manifest_sha256=SHA, total_chunks=1, size_bytes=FINISHED.manifest.size_bytes
        )
        assert (status.duration_seconds, status.warnings) == (1.0, ("silent",))
        assert decision.stop == (SUCCEEDED.name,)

    def test_a_result_counts_even_if_its_worker_is_gone_or_failed_afterwards(self) -> None:
        job = a_job(attempt=1, phase=Phase.PROCESSING)
        for workers in ((), (FAILED,)):
            assert written(deciding(job, *workers, result=FINISHED)).phase is Phase.COMPLETED

    def test_a_verdict_on_the_input_ends_the_job_at_once(self) -> None:
        verdict = VerdictGiven(Verdict(code=JobCode.NO_AUDIO, message="The file has no sound."))
        status = written(deciding(a_job(attempt=1, phase=Phase.PROCESSING), SUCCEEDED, result=verdict))
        assert status.phase is Phase.ERROR
        assert status.error == JobFailure(code=JobCode.NO_AUDIO, message="The file has no sound.")
        assert status.failure_count == 0

    def test_an_ended_job_is_left_alone_but_for_stray_workers(self) -> None:
        job = a_job(attempt=1, phase=Phase.COMPLETED, output=OUTPUT)
        decision = deciding(job, RUNNING, result=FINISHED)
        assert decision == Decision(stop=(RUNNING.name,), requeue_after=POLICY.retention - timedelta(seconds=60))

    def test_a_cancel_ends_the_job_and_its_worker(self) -> None:
        decision = deciding(a_job(spec=a_spec(cancel=True), attempt=1, phase=Phase.PROCESSING), RUNNING)
        error = written(decision).error
        assert error is not None
        assert (error.code, decision.stop) == (JobCode.CANCELLED, (RUNNING.name,))

    def test_a_cancel_comes_too_late_for_a_completed_job(self) -> None:
        job = a_job(spec=a_spec(cancel=True), attempt=1, phase=Phase.COMPLETED, output=OUTPUT)
        assert deciding(job).status is None

    @pytest.mark.parametrize(
        ("ttl", "age", "goes"),
        [
            pytest.param(None, 7 * 86_400 - 1, False, id="just retained by the default"),
            pytest.param(None, 7 * 86_400, True, id="default over"),
            pytest.param(60, 59, False, id="just retained by its own"),
            pytest.param(60, 60, True, id="its own over"),
            pytest.param(0, 0, True, id="not retained at all"),
        ],
    )
    def test_its_time(self, ttl: int | None, age: float, goes: bool) -> None:
        spec = a_spec(ttl_seconds_after_finished=ttl)
        job = a_job(spec=spec, phase=Phase.ERROR, error=JobFailure(code=JobCode.NO_AUDIO, message="."))
        assert deciding(job, now=age).delete_record is goes


class TestFailing:
    def test_a_failed_worker_is_counted_once_and_tried_again_later(self) -> None:
        decision = deciding(a_job(attempt=1, phase=Phase.PROCESSING), FAILED)
        status = written(decision)
        assert (status.phase, status.failure_count) == (Phase.PROCESSING, 1)
        assert status.next_attempt_time == at(65)
        assert (decision.stop, decision.requeue_after) == ((FAILED.name,), timedelta(seconds=5))
        again = a_job().model_copy(update={"status": status})
        assert deciding(again, FAILED, now=61).status is None
        assert deciding(again, now=61).requeue_after == timedelta(seconds=4)
        assert deciding(again, now=65).launch_attempt == 2

    @pytest.mark.parametrize(
        ("failures", "wait"), [(0, 5), (1, 10), (5, 160), (6, 300), (50, 300)], ids=lambda value: str(value)
    )
    def test_the_wait_doubles_up_to_a_cap(self, failures: int, wait: float) -> None:
        policy = replace(POLICY, max_failures=100)
        decision = deciding(a_job(attempt=1, failure_count=failures), FAILED, policy=policy)
        assert decision.requeue_after == timedelta(seconds=wait)

    def test_the_third_failure_is_the_last(self) -> None:
        status = written(deciding(a_job(attempt=3, failure_count=2), replace(FAILED, attempt=3)))
        assert status.error is not None
        assert (status.phase, status.error.code, status.failure_count) == (Phase.ERROR, JobCode.INFRASTRUCTURE, 3)
        assert "ran out of memory" in status.error.message

    @pytest.mark.parametrize(
        ("worker", "result", "why"),
        [
            pytest.param(SUCCEEDED, None, "without a result", id="succeeded with nothing"),
            pytest.param(SUCCEEDED, Unusable("output.mp3 has 3 bytes, not 4"), "3 bytes, not 4", id="a false result"),
            pytest.param(FAILED, None, "ran out of memory", id="the launcher says why"),
        ],
    )
    def test_why(self, worker: Worker, result: Unusable | None, why: str) -> None:
        condition = written(deciding(a_job(attempt=1), worker, result=result)).condition(ConditionType.SCHEDULED)
        assert condition is not None
        assert condition.reason == Reason.RETRYING
        assert why in condition.message

    def test_a_vanished_worker_is_replaced_and_not_counted(self) -> None:
        job = a_job(attempt=4, phase=Phase.PROCESSING, failure_count=1)
        assert deciding(job) == Decision(launch_attempt=5)

    def test_a_worker_ended_by_its_deadline_is_not_tried_again(self) -> None:
        status = written(deciding(a_job(attempt=1), replace(FAILED, deadline_exceeded=True)))
        assert status.error is not None
        assert status.error.code is JobCode.RUN_DEADLINE


class TestDeadlines:
    SPEC = a_spec(deadlines=Deadlines(start_seconds=100, run_seconds=200))

    @pytest.mark.parametrize(
        ("workers", "now", "ends"),
        [
            pytest.param((PENDING,), 99, False, id="still waiting"),
            pytest.param((PENDING,), 100, True, id="waited too long"),
            pytest.param((), 100, True, id="nothing could even be created"),
            pytest.param((RUNNING,), 100, False, id="running in time"),
        ],
    )
    def test_start(self, workers: tuple[Worker, ...], now: float, ends: bool) -> None:
        status = deciding(a_job(spec=self.SPEC, attempt=1), *workers, now=now).status
        assert (status is not None and status.error is not None) is ends

    def test_a_waiting_job_is_looked_at_again_when_its_deadline_comes(self) -> None:
        adopted = a_job(spec=self.SPEC).model_copy(
            update={"status": written(deciding(a_job(spec=self.SPEC), PENDING, now=0))}
        )
        assert deciding(adopted, PENDING, now=40).requeue_after == timedelta(seconds=60)

    def test_a_worker_that_outlives_its_deadline_is_given_up_some_time_later(self) -> None:
        job = a_job(spec=self.SPEC, attempt=1, phase=Phase.PROCESSING, progress=40)
        assert (
            deciding(job, RUNNING, now=200 + 119).status is None
            or not written(deciding(job, RUNNING, now=200 + 119)).error
        )
        error = written(deciding(job, RUNNING, now=200 + 120)).error
        assert error is not None
        assert error.code is JobCode.RUN_DEADLINE

    def test_a_later_attempt_may_not_wait_for_ever_either(self) -> None:
        failed = written(deciding(a_job(spec=self.SPEC, attempt=1, phase=Phase.PROCESSING), FAILED, now=1000))
        waiting = a_job(spec=self.SPEC).model_copy(update={"status": failed})
        assert written(deciding(waiting, a_worker(2, WorkerState.PENDING), now=1099)).error is None
        assert written(deciding(waiting, a_worker(2, WorkerState.PENDING), now=1100)).error


class TestSuspending:
    def test_a_suspended_job_is_queued_and_its_worker_ended(self) -> None:
        decision = deciding(a_job(spec=a_spec(suspend=True), attempt=1, phase=Phase.PROCESSING), RUNNING)
        assert (written(decision).phase, decision.stop) == (Phase.QUEUED, (RUNNING.name,))

    def test_once_is_enough(self) -> None:
        job = a_job(spec=a_spec(suspend=True))
        suspended = job.model_copy(update={"status": written(deciding(job))})
        assert deciding(suspended, now=10**9) == Decision()

    def test_a_resumed_job_starts_a_new_attempt_and_no_failure_is_counted(self) -> None:
        stopping = replace(RUNNING, stopping=True, state=WorkerState.FAILED)
        assert deciding(a_job(attempt=1), stopping) == Decision(launch_attempt=2)

    def test_time_spent_suspended_is_no_time_spent_waiting(self) -> None:
        spec = a_spec(suspend=True, deadlines=Deadlines(start_seconds=100))
        suspended = a_job(spec=spec).model_copy(update={"status": written(deciding(a_job(spec=spec)))})
        resumed = suspended.model_copy(update={"spec": a_spec(deadlines=Deadlines(start_seconds=100))})
        waiting = resumed.model_copy(update={"status": written(deciding(resumed, now=5000))})
        assert deciding(waiting, now=5099).launch_attempt == 1
        assert written(deciding(waiting, now=5100)).error


class TestAskingTheStore:
    @pytest.mark.parametrize(
        ("job", "workers", "reads"),
        [
            pytest.param(a_job(), (), False, id="nothing was started"),
            pytest.param(a_job(attempt=1), (RUNNING,), False, id="still working"),
            pytest.param(a_job(attempt=1), (SUCCEEDED,), True, id="ended well"),
            pytest.param(a_job(attempt=1), (FAILED,), True, id="ended badly"),
            pytest.param(a_job(attempt=1), (), True, id="vanished"),
            pytest.param(a_job(attempt=2), (SUCCEEDED,), True, id="an older one ended, this one vanished"),
            pytest.param(a_job(attempt=1, next_attempt_time=at(9)), (), False, id="counted already"),
            pytest.param(a_job(attempt=1, phase=Phase.ERROR), (), False, id="over"),
        ],
    )
    def test_table(self, job: WhisperJob, workers: tuple[Worker, ...], reads: bool) -> None:
        assert needs_result(job, workers) is reads


def test_two_engines_never_start_an_attempt_number_twice() -> None:
    """An engine that knows less sees the other's worker first and adopts it."""
    decision = deciding(a_job(attempt=1, next_attempt_time=at(0)), a_worker(2, WorkerState.PENDING))
    assert decision.launch_attempt is None
    assert written(decision).attempt == 2
