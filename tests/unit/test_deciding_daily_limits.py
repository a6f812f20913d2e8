"""What tenants used in a day, and how long they wait once that is all they may."""

from datetime import timedelta

import pytest

from support.builders import at
from whisperjob.deciding.daily_limits import audio_wait, bytes_wait, guess_audio
from whisperjob.model import names
from whisperjob.model.usage import Use

HOUR = 3600.0
NOW = at(48 * HOUR)


def a_use(hours_ago: float, size_bytes: int = 0, hours: float | None = None, *, begun: float | None = None) -> Use:
    def ago(number: float) -> float:
        return (48 - number) * HOUR

    return Use(
        uid=f"u-{hours_ago}-{size_bytes}",
        created_at=at(ago(hours_ago)),
        size_bytes=size_bytes,
        started_at=None if begun is None else at(ago(begun)),
        audio_seconds=None if hours is None else hours * HOUR,
    )


@pytest.mark.parametrize(
    ("uses", "coming", "wait_hours"),
    [
        pytest.param([], 100, 0, id="all of it at once"),
        pytest.param([], 101, None, id="more than a day's"),
        pytest.param([a_use(5, 60)], 40, 0, id="just enough is left"),
        pytest.param([a_use(5, 60)], 41, 19, id="when that one is a day old"),
        pytest.param([a_use(24, 60), a_use(30, 60)], 100, 0, id="yesterday's count no more"),
        pytest.param([a_use(1, 40), a_use(20, 30), a_use(10, 30)], 40, 14, id="when enough are a day old"),
        pytest.param([a_use(5, 500)], 1, 19, id="the limit was higher before"),
    ],
)
def test_bytes_of_a_day(uses: list[Use], coming: int, wait_hours: float | None) -> None:
    wait = bytes_wait(uses, coming, 100, NOW)
    assert wait == (None if wait_hours is None else timedelta(hours=wait_hours))


@pytest.mark.parametrize(
    ("uses", "wait_hours"),
    [
        pytest.param([], 0, id="nothing used"),
        pytest.param([a_use(5, hours=9.9)], 0, id="a little is left"),
        pytest.param([a_use(5, hours=10)], 19, id="used up"),
        pytest.param([a_use(30, hours=10, begun=3)], 21, id="it counts from its beginning"),
        pytest.param([a_use(5), a_use(4)], 0, id="of unknown length"),
    ],
)
def test_hours_of_sound_of_a_day(uses: list[Use], wait_hours: float) -> None:
    assert audio_wait(uses, 10, NOW) == timedelta(hours=wait_hours)


def test_an_unknown_length_is_guessed_and_a_known_one_is_not() -> None:
    assert guess_audio(a_use(1, 14_400_000)).audio_seconds == HOUR
    assert guess_audio(a_use(1, 14_400_000, hours=0.5)).audio_seconds == HOUR / 2


@pytest.mark.parametrize(
    "use", [a_use(5, 60), a_use(5, 2**40, hours=23.5, begun=4), a_use(5, 1, hours=0)], ids=["unknown", "all", "silent"]
)
def test_a_use_is_found_again_in_its_name(use: Use) -> None:
    assert names.parse_usage_key(names.usage_key("default", "alice", use)) == use


@pytest.mark.parametrize("name", ["", "x", "uid_1_2_3", "uid_1_2_x_4", "uid_1_2_3_4_5"])
def test_another_name_says_nothing(name: str) -> None:
    assert names.parse_usage_key(f"usage/default/alice/{name}") is None
