"""Gives the words of the text (spelt and punctuated) the times of the recogniser's words. Pure.

The two lists mostly agree. Where they do not, no word is lost and none is doubled: a word that only one list has stays,
and where the lists differ, the longer one counts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from whisperjob_client.transcript.matching import matches
from whisperjob_client.transcript.recogniser_answers import ChunkAnswer, Segment, TimedWord
from whisperjob_client.transcript.spelling import gap_after_pause, letters, tokens, usual_gap


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the chunk, with its times and the index of the segment whose text has it, as far as they are known.

    `gap` is what is between it and the word before.
    """

    text: str
    start: float | None = None
    end: float | None = None
    segment: int | None = None
    gap: str = " "
    confidence: float | None = None


def align(answer: ChunkAnswer) -> list[Token]:
    """Returns all words of a chunk, in order."""
    written = _written(answer.segments)
    if not written and not answer.words:
        return _split(answer.text)
    if not answer.words:
        return written
    return _merged(written or _split(answer.text), _heard(answer.words))


def _split(text: str, segment: int | None = None) -> list[Token]:
    return [Token(piece.text, segment=segment, gap=piece.gap) for piece in tokens(text)]


def _written(segments: Sequence[Segment]) -> list[Token]:
    written: list[Token] = []
    for index, segment in enumerate(segments):
        first, *others = _split(segment.text, index) or (None,)
        if first is None:
            continue
        gap = ""
        if written:
            usual = gap_after_pause if segment.gap is None else usual_gap
            gap = segment.gap or usual(written[-1].text, first.text)
        written += [replace(first, gap=gap), *others]
    return written


def _heard(words: Sequence[TimedWord]) -> list[Token]:
    heard: list[Token] = []
    for word in words:
        gap = word.gap
        if gap is None:
            gap = usual_gap(heard[-1].text, word.text) if heard else ""
        heard.append(Token(word.text, *_span(word), word.segment, gap, word.confidence))
    return heard


def _span(word: TimedWord) -> tuple[float | None, float | None]:
    """Returns the start and the end in this order; where one is missing, the other stands for both."""
    if word.start is None or word.end is None:
        return (word.end, word.end) if word.start is None else (word.start, word.start)
    return (word.start, max(word.start, word.end))


def _merged(written: list[Token], heard: list[Token]) -> list[Token]:
    if written and _same_letters(written, heard):
        return _spread_in_groups(written, heard)
    merged: list[Token] = []
    next_written = next_heard = 0
    ends = (len(written), len(heard))
    for i, j in [*matches([letters(t.text) for t in written], [letters(t.text) for t in heard]), ends]:
        merged += _between_matches(written[next_written:i], heard[next_heard:j])
        if (i, j) != ends:
            merged.append(_matched(written[i], heard[j]))
        next_written, next_heard = i + 1, j + 1
    return merged


def _matched(written: Token, heard: Token) -> Token:
    segment = heard.segment if written.segment is None else written.segment
    return Token(written.text, heard.start, heard.end, segment, written.gap, heard.confidence)


def _between_matches(written: list[Token], heard: list[Token]) -> list[Token]:
    """Returns the words of a stretch in which the two lists differ."""
    if written and heard and _same_letters(written, heard):
        return _spread_in_groups(written, heard)
    if written and heard and len(written) > len(heard):
        return _spread_over(written, heard)
    return heard or written


def _same_letters(written: Sequence[Token], heard: Sequence[Token]) -> bool:
    return "".join(letters(t.text) for t in written) == "".join(letters(t.text) for t in heard)


def _spread_in_groups(written: Sequence[Token], heard: Sequence[Token]) -> list[Token]:
    """Returns the written words, timed by the smallest groups of heard ones that have the same letters."""
    timed: list[Token] = []
    begin_written = begin_heard = end_heard = 0
    ahead = 0  # letters that are written beyond those heard
    for end_written, token in enumerate(written, 1):
        ahead += len(letters(token.text))
        while ahead > 0 or (end_written == len(written) and end_heard < len(heard)):
            ahead -= len(letters(heard[end_heard].text))
            end_heard += 1
        if ahead == 0 and end_heard > begin_heard:
            group = written[begin_written:end_written], heard[begin_heard:end_heard]
            timed += (
                [_matched(group[0][0], group[1][0])] if len(group[0]) == len(group[1]) == 1 else _spread_over(*group)
            )
            begin_written, begin_heard = end_written, end_heard
    return timed + list(written[begin_written:])


def _spread_over(written: Sequence[Token], heard: Sequence[Token]) -> list[Token]:
    """Returns the written words, timed by how far into the letters of the heard ones they begin and end."""
    edges = [(0.0, heard[0].start)]
    place = 0.0
    for token in heard:
        edges += [(place, token.start), (place + _weight(token), token.end)]
        place += _weight(token)
    known = [(at, time) for at, time in edges if time is not None]
    scale = place / sum(_weight(token) for token in written)
    sure = min((token.confidence for token in heard if token.confidence is not None), default=None)
    timed, at = [], 0.0
    for token in written:
        begin, at = at, at + _weight(token) * scale
        timed.append(replace(token, start=_time_at(begin, known), end=_time_at(at, known), confidence=sure))
    return timed


def _weight(token: Token) -> float:
    return max(len(letters(token.text)), 1)


def _time_at(place: float, known: Sequence[tuple[float, float]]) -> float | None:
    """Returns the time at a place among edges, whose places only rise."""
    after = bisect_left(known, place, key=lambda edge: edge[0])
    before = bisect_right(known, place, key=lambda edge: edge[0]) - 1
    if before < 0 or after == len(known):
        return known[before][1] if before >= 0 else known[after][1] if known else None
    (left, begin), (right, end) = known[before], known[after]
    return begin if right == left else begin + (end - begin) * (place - left) / (right - left)
