"""The engine's clock: jumps of the time of day, what is held after one, and ages that they do not change."""

from datetime import timedelta

import pytest

from support.builders import a_job, a_spec, a_worker, at
from support.clocks import Clocks
from whisperjob.deciding.decision import Observed, Policy
from whisperjob.deciding.rules import decide
from whisperjob.deciding.view import moments_of_work
from whisperjob.engine.watched_clock import DELETION_GRACE, LastSeen, newest_moment
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import ConditionType, Phase
from whisperjob.model.resource import Condition, WhisperJob
from whisperjob.model.stages import active_work
from whisperjob.model.workers import Worker

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NONE = timedelta(0)
JUMPS = pytest.mark.parametrize("jump", [26 * HOUR, 8 * DAY, -26 * HOUR, -8 * DAY], ids=str)


def running_clocks() -> Clocks:
    clocks = Clocks()
    clocks.watched.resume(LastSeen(clocks.wall), None)
    return clocks


def decide_now(clocks: Clocks, job: WhisperJob, *workers: Worker) -> JobCode | str:
    """What is decided about a job now: the code of its error, "deleted", "launched", or "nothing of the kind"."""
    work = active_work(job)
    moments = moments_of_work(work, workers) if work else ()
    observed = Observed(
        workers,
        ages={moment: clocks.watched.age(moment) for moment in moments},
        deletion_held=clocks.watched.held(),
    )
    decision = decide(job, observed, clocks.watched.now(), Policy())
    if decision.status is not None and decision.status.error is not None:
        return decision.status.error.code
    if decision.launch_attempt is not None:
        return "launched"
    return "deleted" if decision.delete_record else "nothing of the kind"


def test_time_that_passes_is_no_jump() -> None:
    clocks = running_clocks()
    for passed in (timedelta(seconds=1), 5 * HOUR, 30 * DAY):
        clocks.pass_time(passed)
        assert (clocks.watched.held(), clocks.watched.jumps) == (NONE, 0)


def test_corrections_of_a_time_server_are_no_jumps() -> None:
    clocks = running_clocks()
    for _ in range(100):
        clocks.pass_time(HOUR)
        clocks.jump(timedelta(seconds=5))
        assert clocks.watched.held() == NONE


@JUMPS
def test_after_a_jump_deletion_is_held_for_an_hour(jump: timedelta) -> None:
    clocks = running_clocks()
    clocks.jump(jump)
    assert (clocks.watched.held(), clocks.watched.jumps) == (DELETION_GRACE, 1)
    clocks.pass_time(DELETION_GRACE / 2)
    assert clocks.watched.held() == DELETION_GRACE / 2
    clocks.pass_time(DELETION_GRACE / 2)
    assert clocks.watched.held() == NONE


@pytest.mark.parametrize(
    ("off", "jump", "held"),
    [
        pytest.param(timedelta(minutes=1), NONE, NONE, id="a restart"),
        pytest.param(HOUR, NONE, NONE, id="an hour off"),
        pytest.param(8 * DAY, NONE, DELETION_GRACE, id="eight days off, or a clock that is wrong"),
        pytest.param(timedelta(minutes=1), 26 * HOUR, DELETION_GRACE, id="a clock ahead"),
        pytest.param(timedelta(minutes=1), -26 * HOUR, DELETION_GRACE, id="a clock behind"),
        pytest.param(timedelta(minutes=1), -timedelta(days=20_000), DELETION_GRACE, id="a clock without a battery"),
    ],
)
def test_a_start_compares_the_clock_with_earlier_runs(off: timedelta, jump: timedelta, held: timedelta) -> None:
    clocks = running_clocks()
    seen = clocks.wall
    clocks.jump(jump)
    clocks.restart(off)
    clocks.watched.resume(LastSeen(seen), None)
    assert clocks.watched.held() == held


@pytest.mark.parametrize(
    ("seen", "newest", "held"),
    [
        pytest.param(NONE, NONE, False, id="a usual restart"),
        pytest.param(26 * HOUR, NONE, True, id="records that the wrong clock has written since"),
        pytest.param(NONE, -8 * DAY, True, id="records of a future"),
        pytest.param(None, HOUR, False, id="no marker"),
        pytest.param(None, 26 * HOUR, True, id="no marker, and old records"),
    ],
)
def test_records_and_marker_are_compared(seen: timedelta | None, newest: timedelta, held: bool) -> None:
    clocks = Clocks()
    clocks.watched.resume(None if seen is None else LastSeen(clocks.wall - seen), clocks.wall - newest)
    assert bool(clocks.watched.held()) is held


@pytest.mark.parametrize(
    ("remaining", "held"),
    [
        pytest.param(timedelta(minutes=40), timedelta(minutes=40), id="what remained"),
        pytest.param(timedelta(seconds=1), timedelta(minutes=10), id="ten minutes at least"),
        pytest.param(8 * DAY, DELETION_GRACE, id="an hour at most"),
    ],
)
def test_a_restart_goes_on_with_a_grace_time(remaining: timedelta, held: timedelta) -> None:
    clocks = Clocks()
    clocks.watched.resume(LastSeen(clocks.wall - 26 * HOUR, remaining), None)
    assert clocks.watched.held() == held


def test_a_new_service_trusts_its_clock_and_one_that_was_not_compared_yet_does_not() -> None:
    clocks = Clocks()
    assert clocks.watched.held() == DELETION_GRACE
    clocks.watched.resume(None, newest_moment([]))
    assert clocks.watched.held() == NONE


def test_the_records_say_when_an_earlier_run_was_alive() -> None:
    waiting = Condition(type=ConditionType.SCHEDULED, status="False", reason="Waiting", last_transition_time=at(70))
    assert newest_moment([a_job(conditions=(waiting,)), a_job(phase=Phase.ERROR, completion_time=at(50))]) == at(70)


class TestRunningWork:
    @JUMPS
    def test_a_jump_fails_no_job_that_waits_or_runs(self, jump: timedelta) -> None:
        clocks = running_clocks()
        waiting, running = a_job(), a_job(attempt=1, phase=Phase.PROCESSING)
        worker = a_worker(1)
        for _ in range(2):
            assert decide_now(clocks, waiting) == "launched"
            assert decide_now(clocks, running, worker) == "nothing of the kind"
            clocks.jump(jump)

    @JUMPS
    def test_deadlines_are_reached_when_their_time_has_passed_whatever_the_clock_says(self, jump: timedelta) -> None:
        clocks = running_clocks()
        waiting, running = a_job(), a_job(attempt=1, phase=Phase.PROCESSING)
        worker = a_worker(1)
        decide_now(clocks, waiting), decide_now(clocks, running, worker)
        clocks.jump(jump)
        clocks.pass_time(7 * HOUR)
        assert decide_now(clocks, running, worker) is JobCode.RUN_DEADLINE
        assert decide_now(clocks, waiting) == "launched"
        clocks.pass_time(18 * HOUR)
        assert decide_now(clocks, waiting) is JobCode.START_DEADLINE

    @JUMPS
    def test_a_restart_with_a_wrong_clock_fails_no_job(self, jump: timedelta) -> None:
        clocks = running_clocks()
        seen = clocks.wall
        clocks.jump(jump)
        clocks.restart()
        clocks.watched.resume(LastSeen(seen), None)
        assert decide_now(clocks, a_job()) == "launched"
        assert decide_now(clocks, a_job(attempt=1, phase=Phase.PROCESSING), a_worker(1)) == "nothing of the kind"

    def test_a_restart_does_not_begin_a_deadline_anew(self) -> None:
        clocks = running_clocks()
        clocks.pass_time(25 * HOUR)
        seen = clocks.wall
        clocks.restart()
        clocks.watched.resume(LastSeen(seen), None)
        assert decide_now(clocks, a_job()) is JobCode.START_DEADLINE

    @JUMPS
    def test_a_clock_elsewhere_that_is_wrong_fails_no_job(self, jump: timedelta) -> None:
        """The API server and the nodes have clocks of their own, which write when a job and its pod began."""
        clocks = running_clocks()
        clocks.watched.settle()
        clocks.pass_time(3 * DAY)
        elsewhere = clocks.wall - jump
        waiting = a_job(created_at=elsewhere)
        running = a_job(created_at=elsewhere, attempt=1, phase=Phase.PROCESSING)
        worker = a_worker(1, created_at=elsewhere, started_at=elsewhere)
        assert decide_now(clocks, waiting) == "launched"
        assert decide_now(clocks, running, worker) == "nothing of the kind"

    @JUMPS
    def test_a_back_off_takes_as_long_as_it_should(self, jump: timedelta) -> None:
        clocks = running_clocks()
        job = a_job(attempt=1, failure_count=1, next_attempt_time=clocks.wall + timedelta(minutes=5))
        assert decide_now(clocks, job) == "nothing of the kind"
        clocks.jump(jump)
        assert decide_now(clocks, job) == "nothing of the kind"
        clocks.pass_time(timedelta(minutes=5))
        assert decide_now(clocks, job) == "launched"

    def test_a_back_off_that_a_wrong_clock_has_written_is_no_longer_than_an_hour(self) -> None:
        clocks = running_clocks()
        assert clocks.watched.age(clocks.wall + 8 * DAY) == -HOUR


class TestRetention:
    @pytest.mark.parametrize("jump", [8 * DAY, 26 * HOUR], ids=str)
    def test_a_clock_that_is_put_right_within_the_grace_time_has_deleted_nothing(self, jump: timedelta) -> None:
        clocks, job = running_clocks(), a_job(phase=Phase.ERROR, spec=a_spec(ttl_seconds_after_finished=86_400))
        clocks.jump(jump)
        assert decide_now(clocks, job) == "nothing of the kind"
        clocks.pass_time(timedelta(minutes=59))
        clocks.jump(-jump)
        assert decide_now(clocks, job) == "nothing of the kind"
        clocks.pass_time(2 * HOUR)
        assert decide_now(clocks, job) == "nothing of the kind"

    def test_a_service_that_was_off_for_eight_days_deletes_after_the_grace_time(self) -> None:
        clocks, job = running_clocks(), a_job(phase=Phase.ERROR)
        seen = clocks.wall
        clocks.restart(8 * DAY)
        clocks.watched.resume(LastSeen(seen), None)
        assert decide_now(clocks, job) == "nothing of the kind"
        clocks.pass_time(DELETION_GRACE)
        assert decide_now(clocks, job) == "deleted"
