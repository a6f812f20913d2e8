"""The pause between two words, as far as their times show one. Pure."""

from typing import Final

from whisperjob_client.transcript.spelling import letters
from whisperjob_client.transcript.transcript_model import Word

_LETTERS_PER_SECOND: Final = 10.0
"""Slow speech: a word whose length is unknown is taken to be long, so that no pause is seen where it may sound."""


def pause(before: Word, after: Word) -> float:
    """Returns the seconds of silence. A word without a length sounds beside its time, not at one moment of it."""
    return max(after.start - before.end - _unknown_length(before) - _unknown_length(after), 0.0)


def _unknown_length(word: Word) -> float:
    return 0.0 if word.end > word.start else max(len(letters(word.text)), 1) / _LETTERS_PER_SECOND
