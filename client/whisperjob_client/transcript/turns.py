"""Puts a change of speakers where the sentence ends, when it ends close by. Pure.

Diarizers find a change a few tenths of a second early or late, which gives a sentence's first or last word to the
other speaker; that people read as an error, and it is one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from whisperjob_client.transcript.model import Word
from whisperjob_client.transcript.speakers import REACH_SECONDS
from whisperjob_client.transcript.spelling import ends_sentence

PAUSE_SECONDS: Final = 0.3
"""A change with a pause as long as this is heard by everyone: it stays where it is."""


def at_sentence_ends(words: Sequence[Word]) -> tuple[Word, ...]:
    """The same words; of those within reach of a change some may have changed sides. Nobody loses a whole turn."""
    found = list(words)
    for last in range(len(found) - 1):
        before, after = found[last], found[last + 1]
        if None not in (before.speaker, after.speaker) and before.speaker != after.speaker:
            _settle(found, last)
    return tuple(found)


def _settle(words: list[Word], last: int) -> None:
    """Moves the change that comes after word `last` to the nearest sentence's end."""
    change = words[last + 1].start
    if ends_sentence(words[last].text) or change - words[last].end >= PAUSE_SECONDS:
        return
    early, late = _early(words, last), _late(words, last)
    if late is not None and (early is None or words[late].end - change < change - words[early + 1].start):
        moved, speaker = range(last + 1, late + 1), words[last].speaker
    elif early is not None:
        moved, speaker = range(early + 1, last + 1), words[last + 1].speaker
    else:
        return
    for index in moved:
        words[index] = replace(words[index], speaker=speaker)


def _early(words: Sequence[Word], last: int) -> int | None:
    """The word that ends a sentence of the same turn, so that all after it are within reach of the change."""
    change = words[last + 1].start
    for index in range(last, 0, -1):
        if words[index - 1].speaker != words[last].speaker or words[index].start < change - REACH_SECONDS:
            return None
        if ends_sentence(words[index - 1].text):
            return index - 1
    return None


def _late(words: Sequence[Word], last: int) -> int | None:
    """The word that ends a sentence within reach of the change, and is not the last of its turn."""
    change = words[last + 1].start
    for index in range(last + 1, len(words) - 1):
        if words[index + 1].speaker != words[last + 1].speaker or words[index].end > change + REACH_SECONDS:
            return None
        if ends_sentence(words[index].text):
            return index
    return None
