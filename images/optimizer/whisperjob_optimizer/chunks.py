"""Decides where a recording is cut: pure, in samples at 16 kHz, by one rule.

A chunk is as long as its limits allow, and its cut lies in the quietest moment of the last 30 s before that limit. If
the last chunk would be too short to be of use, the one before it ends earlier.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from whisperjob.model.manifest import MAX_CHUNK_BYTES, SAMPLE_RATE, CutKind
from whisperjob_optimizer import mp3_sizes
from whisperjob_optimizer.loudness import HOP_SAMPLES, WINDOW_SAMPLES

_NOTHING_LUFS = -100.0
"""What is measured below is digital silence and rounding."""

SEARCH_SAMPLES = 30 * SAMPLE_RATE
MIN_LAST_SAMPLES = 10 * SAMPLE_RATE
"""Services bill ten seconds at least, and a recogniser does badly on a word or two."""


@dataclass(frozen=True, slots=True)
class ChunkRange:
    """The part of the recording that becomes one chunk, and the kind of cut at its end."""

    start: int
    samples: int
    cut: CutKind

    @property
    def end(self) -> int:
        """The first sample that is not part of it."""
        return self.start + self.samples


@dataclass(frozen=True, slots=True)
class CutPoint:
    """The sample at which to cut, and whether it is quiet there."""

    at: int
    quiet: bool


CutFinder = Callable[[int, int], CutPoint]
"""Returns the best place for a cut in [low, high]."""


def chunk_limit(max_chunk_seconds: int | None) -> int:
    """Returns the length of the longest chunk in samples, by bytes and by seconds."""
    by_bytes = mp3_sizes.max_samples(MAX_CHUNK_BYTES)
    return by_bytes if max_chunk_seconds is None else min(by_bytes, max_chunk_seconds * SAMPLE_RATE)


def plan_chunks(
    total: int, limit: int, find_cut: CutFinder, silences: Sequence[tuple[int, int]] = ()
) -> list[ChunkRange]:
    """Returns ranges that cover `total` samples in order, none longer than `limit`. Raises ValueError for none.

    Each of `silences`, [begin, end) in order, gets chunks of its own, which nobody has to send to a recogniser.
    """
    if total < 1 or limit < 1:
        raise ValueError("nothing to plan")
    bounds = sorted({0, total, *(bound for silence in silences for bound in silence if 0 < bound < total)})
    ranges: list[ChunkRange] = []
    for begin, end in pairwise(bounds):
        ranges += _plan_part(begin, end, limit, find_cut, CutKind.END if end == total else CutKind.QUIET)
    return ranges


def _plan_part(begin: int, end: int, limit: int, find_cut: CutFinder, last_cut: CutKind) -> list[ChunkRange]:
    ranges: list[ChunkRange] = []
    start = begin
    while end - start > limit:
        high = start + limit
        if end - MIN_LAST_SAMPLES > start + limit // 2:
            high = min(high, end - MIN_LAST_SAMPLES)
        low = max(start + limit // 2, high - SEARCH_SAMPLES, start + 1)
        low = min(low, high)
        cut = find_cut(low, high)
        at = min(max(cut.at, low), high)
        ranges.append(ChunkRange(start, at - start, CutKind.QUIET if cut.quiet else CutKind.FORCED))
        start = at
    ranges.append(ChunkRange(start, end - start, last_cut))
    return ranges


def quietest_window(momentary: Sequence[float], low: int, high: int) -> tuple[int, int, float] | None:
    """Returns (start, end, loudness) of the quietest 400 ms within [low, high], the latest of equals; None if none
    fits."""
    first = -(-(low + WINDOW_SAMPLES) // HOP_SAMPLES) - 1
    last = min(high // HOP_SAMPLES - 1, len(momentary) - 1)
    if last < first or first < 0:
        return None
    best = min(range(first, last + 1), key=lambda i: (max(momentary[i], _NOTHING_LUFS), -i))
    end = (best + 1) * HOP_SAMPLES
    return end - WINDOW_SAMPLES, end, momentary[best]


def quietest_sample(samples: Sequence[float], window: int) -> int:
    """Returns the middle of the quietest `window` samples, by energy; of equals the one nearest to the middle of
    `samples`."""
    if len(samples) <= window:
        return len(samples) // 2
    energy = sum(s * s for s in samples[:window])
    middle = (len(samples) - window) / 2
    best, best_at = energy, 0
    for at in range(1, len(samples) - window + 1):
        energy += samples[at + window - 1] ** 2 - samples[at - 1] ** 2
        if energy < best * (1 - 1e-9) or (energy <= best * (1 + 1e-9) and abs(at - middle) < abs(best_at - middle)):
            best, best_at = max(energy, 0.0), at
    return best_at + window // 2
