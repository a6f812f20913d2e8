"""Where sound is placed by the timestamps of its file."""

import pytest

from whisperjob_optimizer.file_clock import RESTART_MARK, FileClock, Segment, place_frames

SECOND = 16_000
FRAME = SECOND // 10


def placed(clock: FileClock, *starts: float) -> list[float]:
    """Returns the seconds at which frames of 100 ms sound, by their starts in seconds."""
    position, sounds = 0, []
    for start in starts:
        position += clock.place(round(start * SECOND), FRAME)
        sounds.append(position / SECOND)
        position += FRAME
    return sounds


@pytest.mark.parametrize(
    ("begin", "starts", "sounds"),
    [
        pytest.param(None, [30, 30.1, 30.2], [0, 0.1, 0.2], id="alone, the sound begins at once"),
        pytest.param(30, [30, 30.1], [0, 0.1], id="with the picture"),
        pytest.param(0, [20, 20.1], [20, 20.1], id="later than the picture"),
        pytest.param(5, [4.9, 5.0], [0, 0.1], id="earlier than the picture"),
        pytest.param(-0.5, [-0.5, -0.4], [0, 0.1], id="before zero"),
        pytest.param(0, [0.004, 0.104], [0.004, 0.104], id="some milliseconds later"),
        pytest.param(None, [0, 0.1, 12.2], [0, 0.1, 12.2], id="a gap"),
        pytest.param(None, [0, 0.12, 0.2], [0, 0.1, 0.2], id="a timestamp that is not exact"),
        pytest.param(None, [0, 0.1, 0.19, 0.26, 5], [0, 0.1, 0.2, 0.3, 5], id="too much sound before a gap"),
        pytest.param(
            None, [0, *(0.12 * i for i in range(1, 6))], [0, 0.1, 0.24, 0.34, 0.48, 0.58], id="many small gaps"
        ),
    ],
)
def test_sound_is_where_the_clock_says(begin: float | None, starts: list[float], sounds: list[float]) -> None:
    clock = FileClock(begin, 600 * SECOND)
    assert placed(clock, *starts) == pytest.approx(sounds)
    assert clock.discontinuities == 0


def test_sound_behind_a_clock_that_was_set_back_follows_directly() -> None:
    clock = FileClock(None, 600 * SECOND)
    mark = RESTART_MARK / SECOND
    assert placed(clock, 5, 5.1, 5.2 + mark, 5.3 + mark, 9.4 + mark) == pytest.approx([0, 0.1, 0.2, 0.3, 4.4])
    assert clock.discontinuities == 1


def test_silence_beyond_the_limit_is_left_out() -> None:
    clock = FileClock(0, 10 * SECOND)
    assert placed(clock, 4, 9, 23 * 3600, 23 * 3600 + 1) == pytest.approx([4, 9, 9.1, 10.1])
    assert (clock.discontinuities, clock.silence) == (1, round(9.8 * SECOND))


def test_sound_that_would_begin_beyond_the_limit_begins_at_once() -> None:
    clock = FileClock(0, 10 * SECOND)
    assert placed(clock, 3600, 3600.1) == pytest.approx([0, 0.1])
    assert clock.discontinuities == 1


def test_the_clock_knows_from_when_to_when_it_ran() -> None:
    clock = FileClock(None, 600 * SECOND)
    placed(clock, 30, 42)
    assert (clock.first_seconds, clock.span_seconds) == pytest.approx((30, 12.1))


def test_frames_that_follow_one_another_are_joined() -> None:
    clock = FileClock(None, 600 * SECOND)
    lines = [b"#tb 0: 1/16000", *(f"0, {at}, {at}, 800, 3200, 0x0".encode() for at in (0, 800, 1600, 34_400, 35_200))]
    assert place_frames(clock, lines) == [Segment(0, 2400), Segment(32_000, 1600)]
    assert place_frames(clock, []) == []
    assert place_frames(clock, [b"0, 36000, 36000, 800, 3200, 0x0"]) == [Segment(0, 800)]
