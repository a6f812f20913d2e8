"""Moves a change of speakers to the end of a sentence, if one ends close by. Pure.

Diarizers find a change a few tenths of a second early or late, which gives a sentence's first or last word to the other
speaker: an error that readers notice.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from whisperjob_client.transcript.spelling import ends_sentence
from whisperjob_client.transcript.transcript_model import Word
from whisperjob_client.transcript.word_speakers import REACH_SECONDS

PAUSE_SECONDS: Final = 0.3
"""A change in a pause as long as this is certain: it stays where it is."""


def move_changes_to_sentence_ends(words: Sequence[Word]) -> tuple[Word, ...]:
    """Returns the same words. Some of those near a change may have the other speaker; no turn is lost as a whole."""
    moved = list(words)
    for last in range(len(moved) - 1):
        before, after = moved[last], moved[last + 1]
        if None not in (before.speaker, after.speaker) and before.speaker != after.speaker:
            _move_change(moved, last)
    return tuple(moved)


def _move_change(words: list[Word], last: int) -> None:
    """Moves the change after word `last` to the nearest end of a sentence."""
    change = words[last + 1].start
    if ends_sentence(words[last].text) or change - words[last].end >= PAUSE_SECONDS:
        return
    early, late = _sentence_end_before(words, last), _sentence_end_after(words, last)
    if late is not None and (early is None or words[late].end - change < change - words[early + 1].start):
        indices, speaker = range(last + 1, late + 1), words[last].speaker
    elif early is not None:
        indices, speaker = range(early + 1, last + 1), words[last + 1].speaker
    else:
        return
    for index in indices:
        words[index] = replace(words[index], speaker=speaker)


def _sentence_end_before(words: Sequence[Word], last: int) -> int | None:
    """Returns the word that ends a sentence of the same turn, so that all words after it are near the change."""
    change = words[last + 1].start
    for index in range(last, 0, -1):
        if words[index - 1].speaker != words[last].speaker or words[index].start < change - REACH_SECONDS:
            return None
        if ends_sentence(words[index - 1].text):
            return index - 1
    return None


def _sentence_end_after(words: Sequence[Word], last: int) -> int | None:
    """Returns the word that ends a sentence near the change, and is not the last of its turn."""
    change = words[last + 1].start
    for index in range(last + 1, len(words) - 1):
        if words[index + 1].speaker != words[last + 1].speaker or words[index].end > change + REACH_SECONDS:
            return None
        if ends_sentence(words[index].text):
            return index
    return None
