"""The chunk planner: for all inputs, the ranges cover the recording in order, within the limits."""

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
    CutPoint,
    chunk_limit,
    plan_chunks,
    quietest_sample,
    quietest_window,
)

DAY = 86_400 * SAMPLE_RATE


@given(
    total=st.integers(1, DAY),
    limit=st.integers(60 * SAMPLE_RATE, 2700 * SAMPLE_RATE),
    seed=st.randoms(use_true_random=False),
)
def test_ranges_cover_everything_in_order_within_the_limit(total: int, limit: int, seed: object) -> None:
    searched: list[tuple[int, int]] = []

    def anywhere(low: int, high: int) -> CutPoint:
        searched.append((low, high))
        return CutPoint(seed.randint(low - 1000, high + 1000), seed.random() < 0.5)  # type: ignore[attr-defined]  # a Random

    ranges = plan_chunks(total, limit, anywhere)
    assert ranges[0].start == 0
    assert ranges[-1].end == total
    assert all(one.end == two.start for one, two in pairwise(ranges))
    assert all(0 < chunk.samples <= limit for chunk in ranges)
    assert [chunk.cut for chunk in ranges].count(CutKind.END) == 1
    assert ranges[-1].cut is CutKind.END
    assert all(0 <= high - low <= SEARCH_SAMPLES for low, high in searched)
    if len(ranges) > 1:
        assert ranges[-1].samples >= MIN_LAST_SAMPLES


@given(total=st.integers(1, 10_000), limit=st.integers(1, 300))
def test_absurd_limits_still_cover(total: int, limit: int) -> None:
    ranges = plan_chunks(total, limit, lambda _low, high: CutPoint(high, quiet=False))
    assert sum(chunk.samples for chunk in ranges) == total
    assert all(0 < chunk.samples <= limit for chunk in ranges)


def test_a_cut_is_sought_in_the_last_half_minute_before_the_limit() -> None:
    searched: list[tuple[int, int]] = []

    def quietest(low: int, high: int) -> CutPoint:
        searched.append((low, high))
        return CutPoint(low + 5, quiet=True)

    minute = 60 * SAMPLE_RATE
    ranges = plan_chunks(3 * minute, minute, quietest)
    assert searched[0] == (minute - SEARCH_SAMPLES, minute)
    assert (ranges[0].samples, ranges[0].cut) == (minute - SEARCH_SAMPLES + 5, CutKind.QUIET)


def test_the_last_chunk_is_not_too_short() -> None:
    minute = 60 * SAMPLE_RATE
    ranges = plan_chunks(minute + SAMPLE_RATE, minute, lambda _low, high: CutPoint(high, quiet=True))
    assert [chunk.samples for chunk in ranges] == [minute + SAMPLE_RATE - MIN_LAST_SAMPLES, MIN_LAST_SAMPLES]


@pytest.mark.parametrize(("total", "limit"), [(0, 100), (100, 0)])
def test_a_recording_without_samples_is_refused(total: int, limit: int) -> None:
    with pytest.raises(ValueError, match="nothing"):
        plan_chunks(total, limit, lambda low, _high: CutPoint(low, quiet=True))


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
    momentary = array("f", [-20] * 100)
    momentary[50] = -60
    assert quietest_window(momentary, 0, 160_000) == (51 * 1600 - 6400, 51 * 1600, -60)
    assert quietest_window(momentary, 51 * 1600 - 6399, 160_000) == (160_000 - 6400, 160_000, -20), (
        "it begins too early"
    )
    assert quietest_window(momentary, 0, 6399) is None
    assert quietest_window(array("f"), 0, 160_000) is None


def test_the_quietest_sample_is_in_the_middle_of_silence() -> None:
    samples = [0.5] * 1000 + [0.0] * 800 + [0.5] * 2000
    assert 1400 <= quietest_sample(samples, 800) <= 1402
    assert quietest_sample([0.0] * 1000, 100) == 500
    assert quietest_sample([0.1] * 10, 100) == 5


@pytest.mark.parametrize(
    ("silences", "bounds"),
    [
        pytest.param([(0, 75)], [0, 75, 100], id="at the beginning"),
        pytest.param([(20, 40)], [0, 20, 40, 100], id="in the middle"),
        pytest.param([(10, 20), (50, 100)], [0, 10, 20, 50, 100], id="two, one to the end"),
        pytest.param([(0, 100)], [0, 100], id="nothing else"),
    ],
)
def test_long_silences_have_chunks_of_their_own(silences: list[tuple[int, int]], bounds: list[int]) -> None:
    total = 100 * SAMPLE_RATE
    samples = [(begin * SAMPLE_RATE, end * SAMPLE_RATE) for begin, end in silences]
    ranges = plan_chunks(total, 600 * SAMPLE_RATE, lambda _low, high: CutPoint(high, quiet=False), samples)
    assert [part.start for part in ranges] == [bound * SAMPLE_RATE for bound in bounds[:-1]]
    assert ranges[-1].end == total
    assert [part.cut for part in ranges] == [*[CutKind.QUIET] * (len(ranges) - 1), CutKind.END]


def test_a_part_between_silences_is_cut_as_a_recording_is() -> None:
    minute = 60 * SAMPLE_RATE
    ranges = plan_chunks(5 * minute, minute, lambda _low, high: CutPoint(high, quiet=False), [(minute, 2 * minute)])
    assert [part.start for part in ranges] == [i * minute for i in range(5)]
    assert ranges[1].cut is CutKind.QUIET
