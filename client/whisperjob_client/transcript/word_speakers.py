"""Gives every word a speaker, or the reason why it has none. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from whisperjob_client.transcript.transcript_model import NoSpeaker, Speakers, SpeakerSegment, Word

REACH_SECONDS = 0.5
"""A word this close to a segment belongs to it: recognisers' word times are wrong by a few tenths of a second."""


def assign_speakers(words: Sequence[Word], speakers: Speakers) -> tuple[Word, ...]:
    """Returns the words with the speaker who speaks most during each; of two equal ones, the one who began first; where
    no one speaks, the nearest within REACH_SECONDS."""
    if speakers.missing is not None:
        return tuple(replace(word, speaker=None, no_speaker=speakers.missing) for word in words)
    segments = sorted((s for s in speakers.segments if s.end > s.start), key=lambda s: (s.start, s.end))
    starts = [segment.start for segment in segments]
    reaches = list(accumulate((segment.end for segment in segments), max))
    assigned = []
    for word in words:
        first = bisect_left(reaches, word.start - REACH_SECONDS)
        last = bisect_left(starts, word.end + REACH_SECONDS)
        speaker = _speaker_of(word, segments[first:last])
        assigned.append(replace(word, speaker=speaker, no_speaker=None if speaker else NoSpeaker.NOBODY_HEARD))
    return tuple(assigned)


def _speaker_of(word: Word, near: Sequence[SpeakerSegment]) -> str | None:
    shares: dict[str, float] = {}
    for segment in near:
        overlap = min(word.end, segment.end) - max(word.start, segment.start)
        if overlap > 0 or segment.start <= word.start == word.end < segment.end:
            shares[segment.speaker] = shares.get(segment.speaker, 0.0) + overlap
    if shares:
        return max(shares, key=shares.__getitem__)
    reachable = [(_distance(word, s), s.speaker) for s in near if _distance(word, s) <= REACH_SECONDS]
    return min(reachable)[1] if reachable else None


def _distance(word: Word, segment: SpeakerSegment) -> float:
    return max(segment.start - word.end, word.start - segment.end, 0.0)
