"""Gives every word of a chunk a time: inside the chunk, in order, missing times spread by the words' length. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whisperjob_client.transcript.alignment import Token
from whisperjob_client.transcript.recogniser_answers import Segment
from whisperjob_client.transcript.spelling import usual_gap


@dataclass(frozen=True, slots=True)
class Span:
    """The time of a word, in seconds from the chunk's start."""

    start: float
    end: float


def spans(tokens: Sequence[Token], segments: Sequence[Segment], duration: float) -> list[Span]:
    """Returns a span for each token, so that 0 ≤ start ≤ end ≤ the next start ≤ duration.

    A start that contradicts the order of the words (a recogniser may give 29.9 among words at 2) counts as missing; the
    longest run of starts that agree with each other is used.
    """
    ranges = [_range(segment, duration) for segment in segments]
    timed: list[Span | None] = [_clamped(token.start, token.end, duration) for token in tokens]
    reliable = _longest_rising([span.start if span else None for span in timed])
    timed = [span if index in reliable else None for index, span in enumerate(timed)]
    for begin, end in _gaps(timed):
        left = next((span.end for span in reversed(timed[:begin]) if span), 0.0)
        right = timed[end].start if end < len(timed) else duration  # type: ignore[union-attr]  # a gap ends at a span
        timed[begin:end] = _spread(tokens[begin:end], ranges, min(left, right), right)
    return _in_order([span for span in timed if span is not None], duration)


def _range(segment: Segment, duration: float) -> Span | None:
    span = _clamped(segment.start, segment.end, duration)
    return span if span is not None and span.end > span.start else None


def _clamped(start: float | None, end: float | None, duration: float) -> Span | None:
    if start is None:
        return None
    start = min(max(start, 0.0), duration)
    return Span(start, min(max(start if end is None else end, start), duration))


def _longest_rising(starts: Sequence[float | None]) -> set[int]:
    """Returns the indices of the longest run of starts that never goes back."""
    tails: list[float] = []
    tail_indices: list[int] = []
    before: dict[int, int | None] = {}
    for index, start in enumerate(starts):
        if start is None:
            continue
        place = bisect_right(tails, start)
        before[index] = tail_indices[place - 1] if place else None
        tails[place : place + 1] = [start]
        tail_indices[place : place + 1] = [index]
    indices: set[int] = set()
    at = tail_indices[-1] if tail_indices else None
    while at is not None:
        indices.add(at)
        at = before[at]
    return indices


def _gaps(timed: Sequence[Span | None]) -> Iterator[tuple[int, int]]:
    """Yields the runs of words without a time, as half-open ranges."""
    begin: int | None = None
    for index, span in enumerate(timed):
        if span is None and begin is None:
            begin = index
        elif span is not None and begin is not None:
            yield begin, index
            begin = None
    if begin is not None:
        yield begin, len(timed)


def _spread(tokens: Sequence[Token], ranges: Sequence[Span | None], left: float, right: float) -> list[Span | None]:
    """Divides the time between the neighbours among words by their length, each in its segment if that is known."""
    spread: list[Span | None] = []
    begin = 0
    while begin < len(tokens):
        segment = tokens[begin].segment
        end = begin + 1
        while end < len(tokens) and tokens[end].segment == segment:
            end += 1
        bounds = ranges[segment] if segment is not None else None
        low, high = (bounds.start, bounds.end) if bounds else (left, right)
        low = min(max(low, left), right)
        high = min(max(high, low), right)
        weights = [len(token.text) + len(usual_gap(token.text, token.text)) for token in tokens[begin:end]]
        at, total = 0, sum(weights)
        for weight in weights:
            spread.append(Span(low + (high - low) * at / total, low + (high - low) * (at + weight) / total))
            at += weight
        left = high if bounds else left
        begin = end
    return spread


def _in_order(timed: Sequence[Span], duration: float) -> list[Span]:
    """Returns spans whose starts never go back; a word that reaches into the next one ends where that starts."""
    ordered: list[Span] = []
    latest = 0.0
    for span in timed:
        latest = min(max(latest, span.start), duration)
        ordered.append(Span(latest, max(latest, span.end)))
    limits = [*(span.start for span in ordered[1:]), duration]
    return [Span(span.start, min(span.end, limits[index])) for index, span in enumerate(ordered)]
