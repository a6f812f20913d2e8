"""Progress where there is no terminal, and of the recognition of one chunk; on a clock of the test."""

import pytest

from whisperjob_cli.display import FIRST_LINE_SECONDS, LONGEST_LINE_SECONDS, Display
from whisperjob_cli.speech_progress import SpeechProgress
from whisperjob_client.models import Job


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    display = Display(clock=clock)
    printed: list[tuple[int, str]] = []
    for second in range(1, 301):
        clock.now += 1
        display.working(Job(job_id="1", status="processing", step="enhancing_sound", progress=second // 4))
        display.line_if_due()
        printed += [(second, line) for line in capsys.readouterr().err.splitlines()]
    assert [second for second, _ in printed] == [10, 30, 70, 130, 190, 250]
    assert printed[0][1] == "enhancing sound: 2 %"
    assert {10, 60} == {round(FIRST_LINE_SECONDS), round(LONGEST_LINE_SECONDS)}


def test_a_log_gets_a_line_while_one_answer_is_awaited(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Display(clock=clock) as display:
        display.recognising(2700.0, 0.0)
        display.sent(2700.0)
        clock.now += 65
        display.show_speech()
        display.line_if_due()
    assert capsys.readouterr().err == "speech: 0/45 min of audio, answer awaited for 65 s\n"


def test_json_has_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    display = Display(quiet=True, clock=clock)
    display.working(Job(job_id="1", status="processing", progress=1))
    clock.now += 1000
    display.line_if_due()
    assert capsys.readouterr() == ("", "")


def test_the_first_answer_is_awaited_without_an_estimate() -> None:
    clock = Clock()
    speech = SpeechProgress(clock)
    speech.begin(0)
    assert not speech.is_unknown()
    speech.sent(600)
    clock.now += 5
    assert (speech.is_unknown(), speech.done_seconds(), speech.detail()) == (True, 0, ", answer awaited for 5 s")


def test_later_answers_are_estimated_by_the_pace_of_the_earlier_ones() -> None:
    clock = Clock()
    speech = SpeechProgress(clock)
    speech.begin(100)  # by an earlier run
    speech.sent(600)
    clock.now += 10
    speech.returned(600)
    speech.recognised(600)
    assert speech.done_seconds() == 700
    speech.sent(300)
    clock.now += 2
    assert (speech.is_unknown(), speech.done_seconds()) == (False, 700 + 120)
    clock.now += 60
    assert speech.done_seconds() == 700 + 285, "an answer that is not there is never counted whole"
    speech.returned(300)
    assert speech.done_seconds() == 700, "it was refused"


def test_a_refused_request_says_nothing_about_the_pace() -> None:
    clock = Clock()
    speech = SpeechProgress(clock)
    speech.begin(0)
    speech.sent(600)
    clock.now += 1
    speech.returned(600)
    speech.sent(600)
    assert speech.is_unknown()
