"""The chunk planner: whatever comes in, the pieces cover it in order, within the limits."""

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob.model.manifest import MAX_CHUNK_BYTES, SAMPLE_RATE, CutKind
from whisperjob_optimizer import mp3_sizes
from whisperjob_optimizer.chunks import (
    MIN_LAST_SAMPLES,
    SEARCH_SAMPLES,
    Cut,
    chunk_limit,
    plan,
    quietest_sample,
    quietest_window,
)

DAY = 86_400 * SAMPLE_RATE


@given(
    total=st.integers(1, DAY),
    limit=st.integers(60 * SAMPLE_RATE, 2700 * SAMPLE_RATE),
    seed=st.randoms(use_true_random=False),
)
def test_pieces_cover_everything_in_order_within_the_limit(total: int, limit: int, seed: object) -> None:
    asked: list[tuple[int, int]] = []

    def anywhere(low: int, high: int) -> Cut:
        asked.append((low, high))
        return Cut(seed.randint(low - 1000, high + 1000), seed.random() < 0.5)  # type: ignore[attr-defined]  # a Random

    pieces = plan(total, limit, anywhere)
    assert pieces[0].start == 0
    assert pieces[-1].end == total
    assert all(one.end == two.start for one, two in pairwise(pieces))
    assert all(0 < piece.samples <= limit for piece in pieces)
    assert [piece.cut for piece in pieces].count(CutKind.END) == 1
    assert pieces[-1].cut is CutKind.END
    assert all(0 <= high - low <= SEARCH_SAMPLES for low, high in asked)
    if len(pieces) > 1:
        assert pieces[-1].samples >= MIN_LAST_SAMPLES


@given(total=st.integers(1, 10_000), limit=st.integers(1, 300))
def test_absurd_limits_still_cover(total: int, limit: int) -> None:
    pieces = plan(total, limit, lambda _low, high: Cut(high, quiet=False))
    assert sum(piece.samples for piece in pieces) == total
    assert all(0 < piece.samples <= limit for piece in pieces)


def test_a_cut_is_sought_in_the_last_half_minute_before_the_limit() -> None:
    asked: list[tuple[int, int]] = []

    def quietest(low: int, high: int) -> Cut:
        asked.append((low, high))
        return Cut(low + 5, quiet=True)

    minute = 60 * SAMPLE_RATE
    pieces = plan(3 * minute, minute, quietest)
    assert asked[0] == (minute - SEARCH_SAMPLES, minute)
    assert (pieces[0].samples, pieces[0].cut) == (minute - SEARCH_SAMPLES + 5, CutKind.QUIET)


def test_the_last_piece_is_worth_sending() -> None:
    minute = 60 * SAMPLE_RATE
    pieces = plan(minute + SAMPLE_RATE, minute, lambda _low, high: Cut(high, quiet=True))
    assert [piece.samples for piece in pieces] == [minute + SAMPLE_RATE - MIN_LAST_SAMPLES, MIN_LAST_SAMPLES]


@pytest.mark.parametrize(("total", "limit"), [(0, 100), (100, 0)])
def test_nothing_cannot_be_planned(total: int, limit: int) -> None:
    with pytest.raises(ValueError, match="nothing"):
        plan(total, limit, lambda low, _high: Cut(low, quiet=True))


def test_limits_by_bytes_and_by_seconds() -> None:
    assert chunk_limit(60) == 60 * SAMPLE_RATE
    longest = chunk_limit(None)
    assert chunk_limit(86_400) == longest
    assert 2620 < longest / SAMPLE_RATE < 2622
    # frames for samples and delays, rounded up, and the Info frame
    assert (
        -(-(longest + 1105 + mp3_sizes.FRAME_SAMPLES) // mp3_sizes.FRAME_SAMPLES) + 1
    ) * mp3_sizes.FRAME_BYTES <= MAX_CHUNK_BYTES


def test_the_quietest_window_lies_inside() -> None:
    track = array("f", [-20] * 100)
    track[50] = -60
    assert quietest_window(track, 0, 160_000) == (51 * 1600 - 6400, 51 * 1600, -60)
    assert quietest_window(track, 51 * 1600 - 6399, 160_000) == (160_000 - 6400, 160_000, -20), "it begins too early"
    assert quietest_window(track, 0, 6399) is None
    assert quietest_window(array("f"), 0, 160_000) is None


def test_the_quietest_sample_is_in_the_middle_of_silence() -> None:
    samples = [0.5] * 1000 + [0.0] * 800 + [0.5] * 2000
    assert 1400 <= quietest_sample(samples, 800) <= 1402
    assert quietest_sample([0.0] * 1000, 100) == 500
    assert quietest_sample([0.1] * 10, 100) == 5
