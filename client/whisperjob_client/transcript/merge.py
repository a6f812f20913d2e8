"""The answers for all chunks as one transcript on the recording's timeline. Pure.

A chunk's words keep to its exact place: an offset is the sum of samples before it, so nothing drifts, and chunks do
not overlap, so nothing at a seam is said twice.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from whisperjob_client.transcript.alignment import Token, align
from whisperjob_client.transcript.answers import ChunkAnswer, Segment
from whisperjob_client.transcript.model import ChunkPlace, Doubt, Speakers, Transcript, Word
from whisperjob_client.transcript.speakers import with_speakers
from whisperjob_client.transcript.timing import Span, spans
from whisperjob_client.transcript.turns import at_sentence_ends


def merge(
    chunks: Sequence[tuple[ChunkPlace, ChunkAnswer]], speakers: Speakers, names: Mapping[str, str] | None = None
) -> Transcript:
    """`chunks` in any order; their places must not overlap by more than rounding (a millisecond), else ValueError."""
    ordered = sorted(chunks, key=lambda chunk: chunk[0].start)
    for (before, _), (after, _) in pairwise(ordered):
        if before.end > after.start + 0.001:
            raise ValueError(f"chunks overlap: one ends at {before.end} s, the next starts at {after.start} s")
    words: list[Word] = []
    for index, (place, answer) in enumerate(ordered):
        end = min(place.end, ordered[index + 1][0].start) if index + 1 < len(ordered) else place.end
        words += _words(place.start, max(end, place.start), answer)
    duration = ordered[-1][0].end if ordered else 0.0
    return Transcript(at_sentence_ends(with_speakers(words, speakers)), duration, _language(ordered), dict(names or {}))


def _words(start: float, end: float, answer: ChunkAnswer) -> list[Word]:
    """The chunk's words between its start and its end; `min` because sums of floats may pass it by a hair."""
    tokens = align(answer)
    timed = spans(tokens, answer.segments, end - start)
    return [
        Word(
            min(start + span.start, end),
            min(start + span.end, end),
            token.text,
            doubt=_doubt(token, span, answer.segments),
        )
        for token, span in zip(tokens, timed, strict=True)
    ]


def _doubt(token: Token, span: Span, segments: Sequence[Segment]) -> Doubt | None:
    """Of the segment it stood in; of a word that stood in none, that of the segment around its middle."""
    if token.segment is not None:
        return segments[token.segment].doubt
    middle = (span.start + span.end) / 2
    for segment in segments:
        if segment.start is not None and segment.end is not None and segment.start <= middle < segment.end:
            return segment.doubt
    return None


def _language(chunks: Sequence[tuple[ChunkPlace, ChunkAnswer]]) -> str | None:
    """What was heard for the longest time; one chunk of music may be taken for any language."""
    heard: Counter[str] = Counter()
    for place, answer in chunks:
        if answer.language and (answer.words or answer.segments or answer.text):
            heard[answer.language.lower()] += max(round(place.duration * 1000), 1)
    return heard.most_common(1)[0][0] if heard else None
