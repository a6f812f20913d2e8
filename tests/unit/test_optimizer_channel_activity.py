"""When each channel has sound of its own, and whether channels are people, by levels alone."""

import math
from collections.abc import Sequence

import pytest

from whisperjob_optimizer.channel_activity import are_people, find_activity
from whisperjob_optimizer.downmix import Mix, default_mix

PAUSE = -90.0
Part = tuple[float, float, float]
"""Seconds, and the level of the first and of the second channel."""


def series(parts: Sequence[Part], channel: int) -> list[float]:
    return [part[1 + channel] for part in parts for _ in range(round(part[0] * 10))]


def turns(parts: Sequence[Part], *, exclusive: bool = True) -> list[tuple[int, int, int]]:
    """(channel, start, end) of each turn, in tenths of a second."""
    activity = find_activity([series(parts, 0), series(parts, 1)], sum(part[0] for part in parts))
    found = activity.exclusive if exclusive else activity.segments
    return [(turn.channel, round(turn.start * 10), round(turn.end * 10)) for turn in found]


TALK: list[Part] = [(3, -20, PAUSE), (1, PAUSE, PAUSE), (3, PAUSE, -20)]

ACTIVITY = {
    "one after the other": (TALK, [(0, 0, 29), (1, 39, 69)]),
    "crosstalk is nobody's": ([(3, -20, -45), (1, -70, -70), (3, -45, -20)], [(0, 0, 29), (1, 39, 69)]),
    "a quiet person is a person": ([(3, -18, -48), (1, PAUSE, PAUSE), (3, -45, -33)], [(0, 0, 29), (1, 39, 69)]),
    "a channel with crosstalk alone": ([(3, -18, -45), (1, PAUSE, PAUSE), (3, -18, -45)], [(0, 0, 29), (0, 39, 69)]),
    "a pause inside a turn": ([(2, -20, PAUSE), (0.3, PAUSE, PAUSE), (2, -20, PAUSE)], [(0, 0, 42)]),
    "a click": ([(2, -20, PAUSE), (1, PAUSE, PAUSE), (0.2, PAUSE, -20), (2, PAUSE, PAUSE)], [(0, 0, 19)]),
    "noise between words": ([(2, -20, -60), (2, -60, -60), (2, -60, -20)], [(0, 0, 19), (1, 39, 59)]),
    "digital silence": ([(3, -math.inf, -20), (3, -20, -math.inf)], [(1, 0, 29), (0, 29, 59)]),
    "silence": ([(5, PAUSE, PAUSE)], []),
    "a silent channel": ([(5, -20, -math.inf)], [(0, 0, 49)]),
}


@pytest.mark.parametrize(("parts", "expected"), ACTIVITY.values(), ids=ACTIVITY)
def test_the_louder_channel_is_the_one_of_who_speaks(parts: list[Part], expected: list[tuple[int, int, int]]) -> None:
    assert turns(parts) == expected


def test_people_may_speak_at_once() -> None:
    parts: list[Part] = [(2, -20, PAUSE), (2, -20, -25), (2, PAUSE, -20)]
    assert turns(parts, exclusive=False) == [(0, 0, 39), (1, 19, 59)]
    assert turns(parts) == [(0, 0, 39), (1, 39, 59)]


def rows(*parts: tuple[int, float, float, float]) -> list[list[float]]:
    """Moments with the levels of two channels, and what they have in common (their correlation)."""
    made = []
    for count, one, two, correlation in parts:
        a, b = 10 ** (one / 10), 10 ** (two / 10)
        both = 0.25 * (a + b + 2 * correlation * math.sqrt(a * b))
        made += [[one, two, 10 * math.log10(both) if both > 0 else -math.inf]] * count
    return made


STEREO = default_mix(2, "stereo")
PEOPLE = {
    "a call": (rows((50, -20, -60, 0), (50, -60, -20, 0), (50, -70, -70, 0)), True),
    "a call with crosstalk": (rows((50, -20, -40, 0.9), (50, -42, -22, 0.9)), True),
    "one is far quieter": (rows((50, -20, -61, 0.9), (50, -46, -35, 0.9)), True),
    "one speaks seldom": (rows((80, -20, -60, 0), (15, -60, -20, 0)), True),
    "stereo of a room": (rows((60, -20, -23, 0.6), (60, -23, -20, 0.6)), False),
    "dual mono": (rows((100, -20, -20, 1)), False),
    "opposite phase": (rows((100, -20, -20, -1)), False),
    "the second is silent": (rows((100, -20, -math.inf, 0)), False),
    "one speaks hardly at all": (rows((99, -20, -60, 0), (1, -60, -20, 0)), False),
    "both all the time": (rows((100, -20, -22, 0)), False),
    "too short to tell": (rows((5, -20, -60, 0), (5, -60, -20, 0)), False),
    "silence": (rows((100, -math.inf, -math.inf, 0)), False),
    "nothing": ([], False),
}


@pytest.mark.parametrize(("levels", "expected"), PEOPLE.values(), ids=PEOPLE)
def test_channels_that_are_people_are_recognised(levels: list[list[float]], expected: bool) -> None:
    assert are_people(STEREO, levels) is expected


def test_more_channels_are_not_judged() -> None:
    assert not are_people(default_mix(6, "5.1"), [[-20.0] * 7] * 100)
    assert not are_people(Mix((1.0,)), [])
