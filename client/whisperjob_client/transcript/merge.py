"""Merges the answers for all chunks into one transcript on the recording's timeline. Pure.

A chunk's words stay in its exact place: its offset is the sum of the samples before it, so no error adds up, and chunks
do not overlap, so no word is doubled where two meet.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from whisperjob_client.transcript.alignment import Token, align
from whisperjob_client.transcript.loops import repeated_words
from whisperjob_client.transcript.recogniser_answers import ChunkAnswer, Segment
from whisperjob_client.transcript.spelling import gap_after_pause
from whisperjob_client.transcript.timing import Span, spans
from whisperjob_client.transcript.transcript_model import (
    ChunkPlace,
    Doubt,
    NoSpeaker,
    Speakers,
    Transcript,
    Word,
)
from whisperjob_client.transcript.turns import settle_turns
from whisperjob_client.transcript.word_speakers import assign_speakers

OVERLAP_SECONDS = 0.001
"""What rounding may make of the places of two chunks."""


def merge(
    chunks: Sequence[tuple[ChunkPlace, ChunkAnswer]], speakers: Speakers, names: Mapping[str, str] | None = None
) -> Transcript:
    """Returns the transcript of `chunks`, which may be in any order.

    Raises ValueError if their places overlap by more than rounding, a millisecond.
    """
    ordered = sorted(chunks, key=lambda chunk: chunk[0].start)
    for (before, _), (after, _) in pairwise(ordered):
        if before.end > after.start + OVERLAP_SECONDS:
            raise ValueError(f"chunks overlap: one ends at {before.end} s, the next starts at {after.start} s")
    words: list[Word] = []
    uncertain: list[bool] = []
    for index, (place, answer) in enumerate(ordered):
        end = min(place.end, ordered[index + 1][0].start) if index + 1 < len(ordered) else place.end
        for number, (word, is_uncertain) in enumerate(_words(place.start, max(end, place.start), answer)):
            first_gap = gap_after_pause(words[-1].text, word.text) if words else " "
            words.append(word if number else replace(word, gap=first_gap))
            uncertain.append(is_uncertain)
    assigned = [
        replace(word, doubt=Doubt.NOBODY_HEARD) if doubted and word.no_speaker is NoSpeaker.NOBODY_HEARD else word
        for word, doubted in zip(assign_speakers(words, speakers), uncertain, strict=True)
    ]
    duration = ordered[-1][0].end if ordered else 0.0
    return Transcript(settle_turns(assigned), duration, _language(ordered), dict(names or {}))


def _words(start: float, end: float, answer: ChunkAnswer) -> list[tuple[Word, bool]]:
    """Returns the chunk's words between its start and its end, and whether the recogniser was uncertain of each."""
    tokens = align(answer)
    timed = spans(tokens, answer.segments, end - start)
    loops = repeated_words([token.text for token in tokens])
    words = []
    for index, (token, span) in enumerate(zip(tokens, timed, strict=True)):
        segment = _segment_of(token, span, answer.segments)
        doubt = Doubt.REPETITION if index in loops else segment.doubt if segment else None
        sure = token.confidence if token.confidence is not None or segment is None else segment.confidence
        begin, stop = min(start + span.start, end), min(start + span.end, end)  # a sum of floats may pass the end
        uncertain = doubt is not None or (segment is not None and segment.uncertain)
        words.append((Word(begin, stop, token.text, doubt=doubt, gap=token.gap, confidence=sure), uncertain))
    return words


def _segment_of(token: Token, span: Span, segments: Sequence[Segment]) -> Segment | None:
    """Returns the word's segment; if that is unknown, the one around the word's middle."""
    if token.segment is not None:
        return segments[token.segment]
    middle = (span.start + span.end) / 2
    for segment in segments:
        if segment.start is not None and segment.end is not None and segment.start <= middle < segment.end:
            return segment
    return None


def _language(chunks: Sequence[tuple[ChunkPlace, ChunkAnswer]]) -> str | None:
    """Returns the language of most of the recording, because one chunk of music may be taken for any language."""
    durations: Counter[str] = Counter()
    for place, answer in chunks:
        if answer.language and (answer.words or answer.segments or answer.text):
            durations[answer.language.lower()] += max(round(place.duration * 1000), 1)
    return durations.most_common(1)[0][0] if durations else None
