"""A worker's word is let through at most once per interval, and its last one is not lost."""

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


def told(reports: ProgressThrottle) -> ProgressReport | None:
    return reports.take("uid")


def test_words_in_between_are_passed_over() -> None:
    clock = Clock()
    reports = ProgressThrottle(timedelta(seconds=2), clock)
    assert (told(reports), reports.wait("uid")) == (None, timedelta(0))
    reports.put("uid", FIRST)
    assert (told(reports), reports.wait("uid")) == (FIRST, timedelta(0))
    clock.now += 0.5
    reports.put("uid", SECOND)
    assert (told(reports), reports.wait("uid")) == (FIRST, timedelta(seconds=1.5))
    clock.now += 1
    reports.put("uid", THIRD)
    assert (told(reports), reports.wait("uid")) == (FIRST, timedelta(seconds=0.5))
    clock.now += 0.5
    assert (told(reports), reports.wait("uid")) == (THIRD, timedelta(0))
    clock.now += 0.1
    assert told(reports) == THIRD


def test_it_never_goes_back_within_an_attempt() -> None:
    reports = ProgressThrottle(timedelta(0))
    reports.put("uid", THIRD)
    reports.put("uid", SECOND)
    assert told(reports) == THIRD


def test_the_first_word_of_another_attempt_or_job_does_not_wait() -> None:
    clock = Clock()
    reports = ProgressThrottle(timedelta(seconds=2), clock)
    reports.put("uid", THIRD)
    assert told(reports) == THIRD
    again = ProgressReport(2, Step.ANALYZING, 5)
    reports.put("uid", again)
    assert told(reports) == again
    reports.put("other", FIRST)
    assert reports.take("other") == FIRST
    reports.forget("uid")
    assert told(reports) is None
