"""Merges the answers for all chunks into one transcript on the recording's timeline. Pure.

A chunk's words stay in its exact place: its offset is the sum of the samples before it, so no error adds up, and chunks
do not overlap, so no word is doubled where two meet.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from whisperjob_client.transcript.alignment import Token, align
from whisperjob_client.transcript.recogniser_answers import ChunkAnswer, Segment
from whisperjob_client.transcript.spelling import gap_after_pause
from whisperjob_client.transcript.timing import Span, spans
from whisperjob_client.transcript.transcript_model import ChunkPlace, Doubt, Speakers, Transcript, Word
from whisperjob_client.transcript.turns import settle_turns
from whisperjob_client.transcript.word_speakers import assign_speakers


def merge(
    chunks: Sequence[tuple[ChunkPlace, ChunkAnswer]], speakers: Speakers, names: Mapping[str, str] | None = None
) -> Transcript:
    """Returns the transcript of `chunks`, which may be in any order.

    Raises ValueError if their places overlap by more than rounding, a millisecond.
    """
    ordered = sorted(chunks, key=lambda chunk: chunk[0].start)
    for (before, _), (after, _) in pairwise(ordered):
        if before.end > after.start + 0.001:
            raise ValueError(f"chunks overlap: one ends at {before.end} s, the next starts at {after.start} s")
    words: list[Word] = []
    for index, (place, answer) in enumerate(ordered):
        end = min(place.end, ordered[index + 1][0].start) if index + 1 < len(ordered) else place.end
        added = _words(place.start, max(end, place.start), answer)
        if added:
            gap = gap_after_pause(words[-1].text, added[0].text) if words else " "
            added[0] = replace(added[0], gap=gap)
        words += added
    duration = ordered[-1][0].end if ordered else 0.0
    return Transcript(settle_turns(assign_speakers(words, speakers)), duration, _language(ordered), dict(names or {}))


def _words(start: float, end: float, answer: ChunkAnswer) -> list[Word]:
    """Returns the chunk's words between its start and its end; `min`, because a sum of floats may pass the end."""
    tokens = align(answer)
    timed = spans(tokens, answer.segments, end - start)
    return [
        Word(
            min(start + span.start, end),
            min(start + span.end, end),
            token.text,
            doubt=_doubt(token, span, answer.segments),
            gap=token.gap,
        )
        for token, span in zip(tokens, timed, strict=True)
    ]


def _doubt(token: Token, span: Span, segments: Sequence[Segment]) -> Doubt | None:
    """Returns the doubt of the word's segment; if that is unknown, of the segment around the word's middle."""
    if token.segment is not None:
        return segments[token.segment].doubt
    middle = (span.start + span.end) / 2
    for segment in segments:
        if segment.start is not None and segment.end is not None and segment.start <= middle < segment.end:
            return segment.doubt
    return None


def _language(chunks: Sequence[tuple[ChunkPlace, ChunkAnswer]]) -> str | None:
    """Returns the language of most of the recording, because one chunk of music may be taken for any language."""
    durations: Counter[str] = Counter()
    for place, answer in chunks:
        if answer.language and (answer.words or answer.segments or answer.text):
            durations[answer.language.lower()] += max(round(place.duration * 1000), 1)
    return durations.most_common(1)[0][0] if durations else None
