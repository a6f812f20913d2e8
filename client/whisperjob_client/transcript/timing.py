"""Times for every word of a chunk: inside the chunk, in order, missing ones spread by length. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from whisperjob_client.transcript.alignment import Token
from whisperjob_client.transcript.answers import Segment


@dataclass(frozen=True, slots=True)
class Span:
    start: float
    end: float


def spans(tokens: Sequence[Token], segments: Sequence[Segment], duration: float) -> list[Span]:
    """One span a token, in seconds from the chunk's start: 0 ≤ start ≤ end ≤ the next start ≤ duration.

    A start that contradicts the order of the words (one glitch may say 29.9 among the twos) is dropped and spread like
    a missing one; the longest run of starts that agree with each other is believed.
    """
    ranges = [_range(segment, duration) for segment in segments]
    timed: list[Span | None] = [_clamped(token.start, token.end, duration) for token in tokens]
    believed = _longest_rising([span.start if span else None for span in timed])
    timed = [span if index in believed else None for index, span in enumerate(timed)]
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
    """Indices of the longest run of starts that never goes back."""
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
    found: set[int] = set()
    at = tail_indices[-1] if tail_indices else None
    while at is not None:
        found.add(at)
        at = before[at]
    return found


def _gaps(timed: Sequence[Span | None]) -> Iterator[tuple[int, int]]:
    """Runs without a time, as half-open ranges."""
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
    """The words share the time between their neighbours by their length, each in its segment where that is known."""
    found: list[Span | None] = []
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
        weights = [len(token.text) + 1 for token in tokens[begin:end]]
        at, total = 0, sum(weights)
        for weight in weights:
            found.append(Span(low + (high - low) * at / total, low + (high - low) * (at + weight) / total))
            at += weight
        left = high if bounds else left
        begin = end
    return found


def _in_order(found: Sequence[Span], duration: float) -> list[Span]:
    """Starts never go back; a word that reaches into the next one ends where that starts."""
    ordered: list[Span] = []
    latest = 0.0
    for span in found:
        latest = min(max(latest, span.start), duration)
        ordered.append(Span(latest, max(latest, span.end)))
    limits = [*(span.start for span in ordered[1:]), duration]
    return [Span(span.start, min(span.end, limits[index])) for index, span in enumerate(ordered)]
