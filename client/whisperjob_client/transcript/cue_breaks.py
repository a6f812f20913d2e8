"""Chooses where subtitles end: the cheapest way to cut what one speaker says into cues that fit on the screen. Pure.

Each cut has a price, which is small at the end of a sentence and large after an article; so has a cue that is too fast
to read or too short to see. The cheapest sum is found exactly, by dynamic programming.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from whisperjob_client.transcript.cue_times import GAP_MS, MAX_MS, MIN_MS, READABLE_MS, READING_COLUMNS_PER_SECOND
from whisperjob_client.transcript.function_words import binding_words, opening_words
from whisperjob_client.transcript.phrases import Phrase
from whisperjob_client.transcript.spelling import (
    columns,
    ends_clause,
    ends_sentence,
    joined,
    letters,
    sentence_ends_between,
    usual_gap,
)

CUE_COLUMNS: Final = 42
CUE_LINES: Final = 2
"""Line length and number of lines are those of broadcasters' subtitle guides, as are the times in `cue_times`."""

SHORT_PAUSE_SECONDS: Final = 0.3
PAUSE_SECONDS: Final = 0.8
_LONGEST_WORD_SECONDS: Final = 3.0
"""A recogniser's word that is longer has a pause in its time."""

# Prices. Only their order matters much: a cut inside a sentence costs more than a further cue, and the cuts that
# readers stumble over cost more than cues that are a little fast.
_CUE: Final = 4.0
_AT_CLAUSE: Final = 3.0
_AT_SHORT_PAUSE: Final = 5.0
_BEFORE_CONJUNCTION: Final = 6.0
_ELSEWHERE: Final = 10.0
_AFTER_BINDING_WORD: Final = 40.0
_BEFORE_LAST_WORD: Final = 60.0
_AFTER_FIRST_WORD: Final = 15.0
_OVER_PAUSE: Final = 15.0
_PER_COLUMN_TOO_FAST: Final = 2.0
_PER_SECOND_TOO_SHORT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Cuts:
    """What cutting before each phrase costs, and whether a pause is there."""

    prices: tuple[float, ...]
    pauses: tuple[bool, ...]


def cut_into_cues(
    phrases: Sequence[Phrase], pauses: Sequence[float], label_columns: int, next_start: float, language: str | None
) -> list[range]:
    """Returns the phrases of each cue, as ranges of their indices.

    `pauses` has the seconds before each phrase. The first cue begins with a label of `label_columns` (0: none). What is
    said afterwards begins at `next_start`.
    """
    cuts = _price_cuts(phrases, pauses, language)
    starts = [phrase.start for phrase in phrases] + [next_start]
    edges = list(accumulate((columns(p.gap) + p.width for p in phrases), initial=0))
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(phrases) + 1):
        found: list[tuple[float, int]] = []
        over_pauses = 0.0
        for begin in range(end - 1, -1, -1):
            cue = phrases[begin:end]
            if begin < end - 1:
                over_pauses += _OVER_PAUSE * cuts.pauses[begin + 1]
                if _seconds(cue) * 1000 > MAX_MS or not _fits(cue, 0 if begin else label_columns):
                    break
            width = edges[end] - edges[begin] - columns(cue[0].gap)
            price = _CUE + over_pauses + cuts.prices[end] + _price_of_time(cue, width, starts[end])
            found.append((best[begin][0] + price, begin))
        best.append(min(found))
    cues: list[range] = []
    end = len(phrases)
    while end:
        begin = best[end][1]
        cues.append(range(begin, end))
        end = begin
    return cues[::-1]


def lines(phrases: Sequence[Phrase], language: str | None) -> tuple[str, ...]:
    """Returns the text as lines for a screen: one, or two of about the same length."""
    whole = joined(phrases)
    if columns(whole) <= CUE_COLUMNS or len(phrases) == 1:
        return (whole,)
    prices = _price_cuts(phrases, [0.0] * len(phrases), language).prices

    def price(place: int) -> float:
        head, tail = columns(joined(phrases[:place])), columns(joined(phrases[place:]))
        too_wide = max(head - CUE_COLUMNS, 0) + max(tail - CUE_COLUMNS, 0)
        return 1000 * too_wide + abs(head - tail) + prices[place]

    place = min(range(1, len(phrases)), key=price)
    return (joined(phrases[:place]), joined(phrases[place:]))


def _fits(cue: Sequence[Phrase], label_columns: int) -> bool:
    """Returns whether the cue fits into its lines, if each line takes as much as it can."""
    done, line = 1, label_columns
    for phrase in cue:
        wider = line + columns(phrase.gap) + phrase.width if line else phrase.width
        if wider > CUE_COLUMNS:
            done += 1
            wider = phrase.width
        line = wider
    return done <= CUE_LINES


def _seconds(cue: Sequence[Phrase]) -> float:
    last = cue[-1]
    return min(last.end, last.start + _LONGEST_WORD_SECONDS) - cue[0].start


def _price_of_time(cue: Sequence[Phrase], width: int, next_start: float) -> float:
    """Returns the price of a cue that is shown for too short a time, as far as the pause behind it does not help."""
    free = (next_start - cue[0].start) * 1000 - GAP_MS
    wanted = max(READABLE_MS, 1000 * width / READING_COLUMNS_PER_SECOND, (cue[-1].end - cue[0].start) * 1000)
    shown = max(min(wanted, free, MAX_MS), 1.0)
    too_fast = max(1000 * width / max(shown, MIN_MS) - READING_COLUMNS_PER_SECOND, 0.0)
    too_short = max(READABLE_MS - shown, 0.0) / 1000
    return _PER_COLUMN_TOO_FAST * min(too_fast, 20.0) + _PER_SECOND_TOO_SHORT * too_short


def _price_cuts(phrases: Sequence[Phrase], pauses: Sequence[float], language: str | None) -> Cuts:
    prices = [0.0]
    for place, (before, after) in enumerate(pairwise(phrases), 1):
        opens = place < 2 or sentence_ends_between(phrases[place - 2].text, before.text)
        closes = place + 1 == len(phrases) or sentence_ends_between(after.text, phrases[place + 1].text)
        last = closes and ends_sentence(after.text)
        prices.append(_price_of_cut(before, after, pauses[place], opens=opens, last=last, language=language))
    return Cuts((*prices, 0.0), tuple(pause >= PAUSE_SECONDS for pause in pauses))


def _price_of_cut(
    before: Phrase, after: Phrase, pause: float, *, opens: bool, last: bool, language: str | None
) -> float:
    """Returns the price of a cut; `opens`: after a sentence's first phrase, `last`: before its last one."""
    if sentence_ends_between(before.text, after.text):
        return 0.0
    if ends_clause(before.text) or (after.gap and not usual_gap(before.text, after.text)):
        price = _AT_CLAUSE
    elif letters(before.text) in binding_words(language):
        price = _AFTER_BINDING_WORD
    elif pause >= SHORT_PAUSE_SECONDS:
        price = 0.0 if pause >= PAUSE_SECONDS else _AT_SHORT_PAUSE
    elif letters(after.text) in opening_words(language):
        price = _BEFORE_CONJUNCTION
    else:
        price = _ELSEWHERE
    if last:
        price += _BEFORE_LAST_WORD
    return price + (_AFTER_FIRST_WORD if opens else 0.0)
