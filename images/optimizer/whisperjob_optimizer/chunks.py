"""Where a recording is cut: pure, in samples at 16 kHz, by one rule.

A chunk is as long as its limits allow; its cut lies in the quietest moment of the last 30 s before that limit. A last
chunk too short to be of use is avoided by ending the one before it earlier.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from whisperjob.model.manifest import MAX_CHUNK_BYTES, SAMPLE_RATE, CutKind
from whisperjob_optimizer import mp3_sizes
from whisperjob_optimizer.loudness import TRACK_SAMPLES, WINDOW_SAMPLES

SEARCH_SAMPLES = 30 * SAMPLE_RATE
MIN_LAST_SAMPLES = 10 * SAMPLE_RATE
"""Services bill ten seconds at least, and a recogniser does badly on a word or two."""


@dataclass(frozen=True, slots=True)
class Piece:
    start: int
    samples: int
    cut: CutKind

    @property
    def end(self) -> int:
        return self.start + self.samples


@dataclass(frozen=True, slots=True)
class Cut:
    at: int
    quiet: bool


QuietestMoment = Callable[[int, int], Cut]
"""The best place for a cut in [low, high]."""


def chunk_limit(max_chunk_seconds: int | None) -> int:
    """The longest chunk in samples, by bytes and by seconds."""
    by_bytes = mp3_sizes.max_samples(MAX_CHUNK_BYTES)
    return by_bytes if max_chunk_seconds is None else min(by_bytes, max_chunk_seconds * SAMPLE_RATE)


def plan(total: int, limit: int, quietest: QuietestMoment) -> list[Piece]:
    """Pieces that cover `total` samples in order, none longer than `limit`. Raises ValueError for nothing to cover."""
    if total < 1 or limit < 1:
        raise ValueError("nothing to plan")
    pieces: list[Piece] = []
    start = 0
    while total - start > limit:
        high = start + limit
        if total - MIN_LAST_SAMPLES > start + limit // 2:
            high = min(high, total - MIN_LAST_SAMPLES)
        low = max(start + limit // 2, high - SEARCH_SAMPLES, start + 1)
        low = min(low, high)
        cut = quietest(low, high)
        at = min(max(cut.at, low), high)
        pieces.append(Piece(start, at - start, CutKind.QUIET if cut.quiet else CutKind.FORCED))
        start = at
    pieces.append(Piece(start, total - start, CutKind.END))
    return pieces


def quietest_window(track: Sequence[float], low: int, high: int) -> tuple[int, int, float] | None:
    """(start, end, loudness) of the quietest 400 ms within [low, high], the latest of equals; None if none fits."""
    first = -(-(low + WINDOW_SAMPLES) // TRACK_SAMPLES) - 1
    last = min(high // TRACK_SAMPLES - 1, len(track) - 1)
    if last < first or first < 0:
        return None
    best = min(range(first, last + 1), key=lambda i: (track[i], -i))
    end = (best + 1) * TRACK_SAMPLES
    return end - WINDOW_SAMPLES, end, track[best]


def quietest_sample(samples: Sequence[float], window: int) -> int:
    """The middle of the quietest `window` samples, by energy; of equals the one nearest to the middle of all."""
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
