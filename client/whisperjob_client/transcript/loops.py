"""Finds what a recogniser wrote again and again: the same words in a row, more often than people say them. Pure."""

from collections.abc import Sequence
from typing import Final

from whisperjob_client.transcript.spelling import letters, usual_gap

MIN_TIMES: Final = 4
MIN_WORDS: Final = 8.0
"""People say "no, no, no, no"; a loop of that length is no harm."""
_LONGEST: Final = 40
"""Words, or letters of a script without spaces, that are repeated as one."""


def repeated_words(texts: Sequence[str]) -> set[int]:
    """Returns the indices of the words that repeat what is before them in a loop. What is said first is not in it."""
    spelt = [letters(text) for text in texts]
    weights = [1.0 if usual_gap(text, text) else 0.5 for text in texts]
    found: set[int] = set()
    for length in range(1, min(_LONGEST, len(spelt) // MIN_TIMES) + 1):
        begin = length
        for index in range(length, len(spelt) + 1):
            if index < len(spelt) and spelt[index] == spelt[index - length]:
                continue
            whole = range(begin - length, index)
            if len(whole) >= MIN_TIMES * length and sum(weights[i] for i in whole) >= MIN_WORDS:
                found.update(range(begin, index))
            begin = index + 1
    return found
