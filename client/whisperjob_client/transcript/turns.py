"""Settles which speaker says what is left of a sentence beside a change of speakers. Pure.

Diarizers find a change a few tenths of a second early or late, and lose a moment of a sentence to another speaker or to
nobody. That gives a sentence's first or last word to the wrong person: an error that readers notice. The recogniser
knows where sentences end, and one sentence has one speaker much more often than not.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from whisperjob_client.transcript.pauses import pause
from whisperjob_client.transcript.spelling import ends_sentence, sentence_ends_between
from whisperjob_client.transcript.transcript_model import Word
from whisperjob_client.transcript.word_speakers import REACH_SECONDS

PAUSE_SECONDS: Final = 0.3
"""A change in a pause as long as this is certain: it stays where it is."""
STRAY_WORDS: Final = 2
STRAY_SECONDS: Final = 0.8
"""A piece of a sentence that is no longer than both is a diarizer's error, and not a turn."""


def settle_turns(words: Sequence[Word]) -> tuple[Word, ...]:
    """Returns the same words. Some of those near a change may have another speaker; no longer turn is lost."""
    settled = list(words)
    sentences = list(_sentences(settled))
    for begin, end in sentences:
        _give_to_speaker(settled, begin, end)
        _absorb_strays(settled, begin, end, inside=True)
    for last in range(len(settled) - 1):
        before, after = settled[last], settled[last + 1]
        if None not in (before.speaker, after.speaker) and before.speaker != after.speaker:
            _move_change(settled, last)
    for begin, end in sentences:  # last: a short turn's change may have been moved to its sentence's end
        _absorb_strays(settled, begin, end)
    return tuple(settled)


def _sentences(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Yields the sentences as half-open ranges. Words after the last end are none: it may be missing everywhere."""
    begin = 0
    for index, word in enumerate(words):
        following = words[index + 1].text if index + 1 < len(words) else ""
        if sentence_ends_between(word.text, following):
            yield begin, index + 1
            begin = index + 1


def _give_to_speaker(words: list[Word], begin: int, end: int) -> None:
    """Gives a sentence's words without a speaker to the one who speaks before them in it, or else after them."""
    known = [index for index in range(begin, end) if words[index].speaker is not None]
    if not known:
        return
    speaker = words[known[0]].speaker
    for index in range(begin, end):
        if words[index].speaker is None:
            words[index] = replace(words[index], speaker=speaker, no_speaker=None)
        speaker = words[index].speaker


def _absorb_strays(words: list[Word], begin: int, end: int, *, inside: bool = False) -> None:
    """Gives stray pieces to the speaker who says most of the sentence, if only pieces of that one are beside them.

    With `inside`, a piece at the sentence's beginning or end stays.
    """
    said = Counter(words[index].speaker for index in range(begin, end)).most_common(2)
    if len(said) < 2 or said[0][1] == said[1][1]:
        return
    speaker = said[0][0]
    pieces = [list(group) for _, group in groupby(range(begin, end), key=lambda index: words[index].speaker)]
    for number, piece in enumerate(pieces):
        beside = [pieces[n][0] for n in (number - 1, number + 1) if 0 <= n < len(pieces)]
        if len(beside) < 1 + inside:
            continue
        if {words[other].speaker for other in beside} == {speaker} and _is_stray(words, piece, begin, end):
            for index in piece:
                words[index] = replace(words[index], speaker=speaker)


def _is_stray(words: Sequence[Word], piece: Sequence[int], begin: int, end: int) -> bool:
    first, last = piece[0], piece[-1]
    if len(piece) > STRAY_WORDS or words[last].end - words[first].start > STRAY_SECONDS:
        return False
    if last + 1 == end and first > begin and _begins_sentence(words[first].text):
        return False  # the recogniser heard a sentence of its own, inside another one
    joins = [(first - 1, first)] if first > begin else []
    joins += [(last, last + 1)] if last + 1 < end else []
    return any(pause(words[before], words[after]) < PAUSE_SECONDS for before, after in joins)


def _begins_sentence(text: str) -> bool:
    """Returns whether a word is written as a sentence's first; the English `I` is written like that anywhere."""
    letters = text.lstrip("\"'“‘«¿¡([")
    return letters[:1].isupper() and letters.partition("'")[0].partition("’")[0].rstrip(".,!?") != "I"


def _move_change(words: list[Word], last: int) -> None:
    """Moves the change after word `last` to the nearest end of a sentence."""
    change = words[last + 1].start
    if ends_sentence(words[last].text) or pause(words[last], words[last + 1]) >= PAUSE_SECONDS:
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
