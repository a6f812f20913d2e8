"""Gives the words of the text (spelt and punctuated) the times of the recogniser's words. Pure.

The two lists mostly agree. Where they do not, nothing is lost and nothing is said twice: what only one of them has
stays, and where both have something else, the longer account wins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from whisperjob_client.transcript.answers import ChunkAnswer, TimedWord
from whisperjob_client.transcript.matching import matches
from whisperjob_client.transcript.spelling import letters, tokens


@dataclass(frozen=True, slots=True)
class Token:
    """A word of the chunk; its times, and the segment whose text it stood in, as far as they are known."""

    text: str
    start: float | None = None
    end: float | None = None
    segment: int | None = None


def align(answer: ChunkAnswer) -> list[Token]:
    """All words of a chunk, in order."""
    written = [Token(text, segment=i) for i, part in enumerate(answer.segments) for text in tokens(part.text)]
    if not written and not answer.words:
        return [Token(text) for text in tokens(answer.text)]
    if not answer.words:
        return written
    heard = [Token(w.text, *_span(w), segment=w.segment) for w in answer.words]
    return _merged(written or [Token(text) for text in tokens(answer.text)], heard)


def _span(word: TimedWord) -> tuple[float | None, float | None]:
    """Both times or, turned the right way round, what there is of them."""
    if word.start is None or word.end is None:
        return (word.end, word.end) if word.start is None else (word.start, word.start)
    return (word.start, max(word.start, word.end))


def _merged(written: list[Token], heard: list[Token]) -> list[Token]:
    found: list[Token] = []
    a = b = 0
    ends = (len(written), len(heard))
    for ours, theirs in [*matches([letters(t.text) for t in written], [letters(t.text) for t in heard]), ends]:
        found += _between(written[a:ours], heard[b:theirs])
        if (ours, theirs) != ends:
            found.append(_both(written[ours], heard[theirs]))
        a, b = ours + 1, theirs + 1
    return found


def _both(written: Token, heard: Token) -> Token:
    segment = heard.segment if written.segment is None else written.segment
    return Token(written.text, heard.start, heard.end, segment)


def _between(ours: list[Token], theirs: list[Token]) -> list[Token]:
    """Where the two differ."""
    if ours and theirs and (len(ours) > len(theirs) or _same_letters(ours, theirs)):
        return _spread_over(ours, theirs)
    return theirs or ours


def _same_letters(ours: Sequence[Token], theirs: Sequence[Token]) -> bool:
    return "".join(letters(t.text) for t in ours) == "".join(letters(t.text) for t in theirs)


def _spread_over(ours: Sequence[Token], theirs: Sequence[Token]) -> list[Token]:
    """The words of `ours`, timed by how far into the letters of `theirs` they begin and end."""
    edges = [(0.0, theirs[0].start)]
    place = 0.0
    for token in theirs:
        edges += [(place, token.start), (place + _weight(token), token.end)]
        place += _weight(token)
    known = [(at, time) for at, time in edges if time is not None]
    scale = place / sum(_weight(token) for token in ours)
    found, at = [], 0.0
    for token in ours:
        begin, at = at, at + _weight(token) * scale
        found.append(Token(token.text, _time_at(begin, known), _time_at(at, known), token.segment))
    return found


def _weight(token: Token) -> float:
    return max(len(letters(token.text)), 1)


def _time_at(place: float, known: Sequence[tuple[float, float]]) -> float | None:
    before = [edge for edge in known if edge[0] <= place]
    after = [edge for edge in known if edge[0] >= place]
    if not before or not after:
        return next((time for _, time in (*before[-1:], *after[:1])), None)
    (left, begin), (right, end) = before[-1], after[0]
    return begin if right == left else begin + (end - begin) * (place - left) / (right - left)
