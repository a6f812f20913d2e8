"""Brings the times of an answer onto the chunk's clock: seconds from its start. Pure.

Some servers count in milliseconds (or nanoseconds: LocalAI), and some begin at zero again in every window of 30 s. Both
show by the chunk's length, which is known. Times that cannot be right in any of these ways are dropped, and `timing`
spreads the words instead.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from statistics import median
from typing import Final, TypeVar

from whisperjob_client.transcript.recogniser_answers import ChunkAnswer, Segment, TimedWord
from whisperjob_client.transcript.transcript_model import TimesOf

UNITS: Final = (1.0, 1e-3, 1e-2, 1e-6, 1e-7, 1e-9)
"""Seconds in a unit: seconds, milliseconds, hundredths (whisper.cpp's own), microseconds, .NET's ticks, nanoseconds."""

WINDOWS: Final = (30.0, 60.0, 20.0, 15.0, 10.0, 25.0, 120.0)
"""Lengths of the windows that recognisers work in, the most frequent first."""

SECONDS_PER_LETTER: Final = 0.07
"""The pace of ordinary speech; it distinguishes units that would all fit into the chunk."""

SLOWEST_SECONDS_PER_LETTER: Final = 2.0
"""Nobody speaks so slowly: such times are in another unit, though they lie inside the chunk."""

FASTEST_SECONDS_PER_LETTER: Final = 0.007
"""Nobody speaks so fast: words that last so short in a unit are words behind the chunk's end, in seconds."""

MOST: Final = 0.8
"""The share of an answer's times that must agree with an assumption about it."""

SHORTEST_RUN: Final = 3
"""Parts in the wrong order are sentences, not single words."""

Timed = TimedWord | Segment
T = TypeVar("T", TimedWord, Segment)


def times_of(answer: ChunkAnswer) -> TimesOf | None:
    """Returns what has times; None if the answer has no text that could have any."""
    if not answer.words and not any(segment.text for segment in answer.segments) and not answer.text:
        return None
    if any(word.start is not None for word in answer.words):
        return TimesOf.WORDS
    if any(segment.start is not None and not segment.estimated for segment in answer.segments):
        return TimesOf.SEGMENTS
    return TimesOf.NOTHING


def least_times(answers: Sequence[ChunkAnswer]) -> TimesOf | None:
    """Returns the least that any answer has times of; None if nothing was said."""
    found = set(map(times_of, answers))
    return next((times for times in reversed(TimesOf) if times in found), None)


def on_chunk_clock(answer: ChunkAnswer, duration: float) -> ChunkAnswer:
    """Returns the answer with times in seconds from the start of a chunk of `duration` seconds, in their order."""
    entries: list[Timed] = [*answer.words, *answer.segments]
    unit = _unit(entries, duration, answer.reported_duration)
    told = [_in_seconds(segment, unit) for segment in answer.segments]
    segments, order = _ordered(told, duration)
    place = {old: new for new, old in enumerate(order)}
    words = _with_segments([_in_seconds(word, unit) for word in answer.words], told, segments, place)
    return replace(answer, segments=tuple(segments), words=tuple(_ordered(words, duration)[0]))


def _with_segments(
    words: Sequence[TimedWord], told: Sequence[Segment], segments: Sequence[Segment], place: Mapping[int, int]
) -> list[TimedWord]:
    """Returns the words that have a segment on its clock and in its place.

    They count from where the segments' times `told` count, or each from the start of its own segment.
    """
    starts = [(word.start, told[word.segment].start) for word in words if word.segment is not None]
    later = [(start, begin) for start, begin in starts if start is not None and begin is not None and begin > 1.0]
    from_segment = sum(start < begin - 1.0 for start, begin in later) > MOST * len(later) if later else False
    moved = []
    for word in words:
        if word.segment is None:
            moved.append(word)
            continue
        new = place[word.segment]
        begin, before = segments[new].start, 0.0 if from_segment else told[word.segment].start
        seconds = None if begin is None or before is None else begin - before
        moved.append(replace(word if seconds is None else _moved(word, seconds), segment=new))
    if list(place.values()) != sorted(place.values()):
        moved.sort(key=lambda word: -1 if word.segment is None else word.segment)
    return moved


def _unit(entries: Sequence[Timed], duration: float, reported_duration: float | None) -> float:
    """Returns the seconds in the answer's unit of time."""
    starts = [abs(entry.start) for entry in entries if entry.start is not None]
    if not starts or duration <= 0:
        return 1.0
    paces = [pace for entry in entries if (pace := _seconds_per_letter(entry)) is not None]
    pace = median(paces) if paces else None
    if _fit(starts, 1.0, duration) and (pace is None or pace <= SLOWEST_SECONDS_PER_LETTER):
        return 1.0
    fitting = [unit for unit in UNITS if _fit(starts, unit, duration)]
    if pace is not None:
        fitting = [unit for unit in fitting if pace * unit >= FASTEST_SECONDS_PER_LETTER]
    if not fitting or (pace is None and fitting[0] == 1.0):
        return 1.0
    if reported_duration is not None and reported_duration > 2 * duration:
        return min(fitting, key=lambda unit: abs(math.log(reported_duration * unit / duration)))
    if pace is None:
        return fitting[0]
    return min(fitting, key=lambda unit: abs(math.log(pace * unit / SECONDS_PER_LETTER)))


def _fit(starts: Sequence[float], unit: float, duration: float) -> bool:
    """Returns whether nearly all starts lie inside the chunk; a few may be absurd."""
    inside = sum(start * unit <= duration * 1.05 + 1.0 for start in starts)
    return inside > MOST * len(starts)


def _seconds_per_letter(entry: Timed) -> float | None:
    if entry.start is None or entry.end is None or entry.end <= entry.start or not entry.text:
        return None
    return (entry.end - entry.start) / len(entry.text)


def _in_seconds(entry: T, unit: float) -> T:
    if unit == 1.0:
        return entry
    start = None if entry.start is None else entry.start * unit
    return replace(entry, start=start, end=None if entry.end is None else entry.end * unit)


def _ordered(entries: Sequence[T], duration: float) -> tuple[list[T], list[int]]:
    """Returns the entries on one clock and in order, and the old place of each.

    Entries mostly rise, but for a few wrong ones, which `timing` handles. If they do not, the clock began again in
    every window, or parts of the answer are in the wrong order; otherwise their times say nothing.
    """
    indices = list(range(len(entries)))
    starts = [entry.start for entry in entries if entry.start is not None]
    if _rising_share(starts) > MOST:
        return list(entries), indices
    runs = _runs(entries)
    window = _window(max(starts), len(runs), duration)
    if window is not None:
        return [_moved(entry, number * window) for number, run in enumerate(runs) for entry in run], indices
    blocks = sorted(zip(runs, _blocks(runs), strict=True), key=lambda pair: _starts(pair[0])[0])
    apart = all(_starts(before)[-1] <= _starts(after)[0] for (before, _), (after, _) in pairwise(blocks))
    if apart and len(runs) * SHORTEST_RUN <= len(entries):
        return [entry for run, _ in blocks for entry in run], [index for _, block in blocks for index in block]
    return [replace(entry, start=None, end=None) for entry in entries], indices


def _rising_share(starts: Sequence[float]) -> float:
    """Returns the length of the longest run of starts that never goes back, as a share of all."""
    tails: list[float] = []
    for start in starts:
        place = bisect_right(tails, start)
        tails[place : place + 1] = [start]
    return len(tails) / len(starts) if starts else 1.0


def _runs(entries: Sequence[T]) -> list[list[T]]:
    """Returns the entries in parts; a part ends where the clock goes back by a second or more."""
    runs: list[list[T]] = [[]]
    latest = -math.inf
    for entry in entries:
        if entry.start is not None:
            if entry.start < latest - 1.0:
                runs.append([])
            latest = entry.start
        runs[-1].append(entry)
    return runs


def _window(latest: float, count: int, duration: float) -> float | None:
    """Returns the length of the windows whose clocks begin at zero; None if that cannot be what happened."""
    for window in WINDOWS:
        expected = {math.ceil(duration / window), math.ceil(max(duration - 1.0, 0.1) / window)}
        if latest <= window + 1.0 and count in expected:
            return window
    return None


def _moved(entry: T, seconds: float) -> T:
    start = None if entry.start is None else entry.start + seconds
    return replace(entry, start=start, end=None if entry.end is None else entry.end + seconds)


def _blocks(runs: Sequence[Sequence[object]]) -> list[list[int]]:
    """Returns the indices of each run's entries."""
    edges = list(accumulate((len(run) for run in runs), initial=0))
    return [list(range(begin, end)) for begin, end in pairwise(edges)]


def _starts(run: Sequence[Timed]) -> list[float]:
    """Returns the known starts of a run, which has at least one."""
    return [entry.start for entry in run if entry.start is not None]
