"""A worker's progress passes at most once per interval, and its last report is not lost."""

from datetime import timedelta

from whisperjob.deciding.decision import ProgressReport
from whisperjob.engine.progress_throttle import ProgressThrottle
from whisperjob.model.phase import Step

FIRST = ProgressReport(1, Step.ANALYZING, 5)
SECOND = ProgressReport(1, Step.ENHANCING, 40)
THIRD = ProgressReport(1, Step.ENHANCING, 60)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(throttle: ProgressThrottle) -> ProgressReport | None:
    return throttle.take("uid")


def test_words_in_between_are_passed_over() -> None:
    clock = Clock()
    throttle = ProgressThrottle(timedelta(seconds=2), clock)
    assert (taken(throttle), throttle.wait("uid")) == (None, timedelta(0))
    throttle.put("uid", FIRST)
    assert (taken(throttle), throttle.wait("uid")) == (FIRST, timedelta(0))
    clock.now += 0.5
    throttle.put("uid", SECOND)
    assert (taken(throttle), throttle.wait("uid")) == (FIRST, timedelta(seconds=1.5))
    clock.now += 1
    throttle.put("uid", THIRD)
    assert (taken(throttle), throttle.wait("uid")) == (FIRST, timedelta(seconds=0.5))
    clock.now += 0.5
    assert (taken(throttle), throttle.wait("uid")) == (THIRD, timedelta(0))
    clock.now += 0.1
    assert taken(throttle) == THIRD


def test_it_never_goes_back_within_an_attempt() -> None:
    throttle = ProgressThrottle(timedelta(0))
    throttle.put("uid", THIRD)
    throttle.put("uid", SECOND)
    assert taken(throttle) == THIRD


def test_the_first_word_of_another_attempt_or_job_does_not_wait() -> None:
    clock = Clock()
    throttle = ProgressThrottle(timedelta(seconds=2), clock)
    throttle.put("uid", THIRD)
    assert taken(throttle) == THIRD
    again = ProgressReport(2, Step.ANALYZING, 5)
    throttle.put("uid", again)
    assert taken(throttle) == again
    throttle.put("other", FIRST)
    assert throttle.take("other") == FIRST
    throttle.forget("uid")
    assert taken(throttle) is None
