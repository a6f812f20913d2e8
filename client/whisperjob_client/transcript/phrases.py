"""Cuts running text where a line may end: at spaces and, in scripts without them, between phrases. Pure.

Where phrases of Japanese, Chinese and Thai meet is found by BudouX's models. Lao, Khmer and Burmese end at spaces. What
is still too wide for a line is cut between the letters that readers see (grapheme clusters), never inside one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from wcwidth import iter_graphemes

from whisperjob_client.transcript.spelling import columns, gap_of, joined, letters
from whisperjob_client.transcript.transcript_model import Word

if TYPE_CHECKING:
    from budoux import Parser

_BREAKING_SPACES: Final = " \u3000"
_KANA: Final = (("\u3040", "\u30ff"), ("\u31f0", "\u31ff"))
_HAN: Final = (("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uf900", "\ufaff"), ("\U00020000", "\U0003134f"))
_THAI: Final = (("\u0e00", "\u0e7f"),)
_NEVER_FIRST: Final = frozenset(
    "ぁぃぅぇぉっゃゅょゎゕゖァィゥェォッャュョヮヵヶーゝゞヽヾ々〻"  # Japanese
    "ะาำๅๆฯ"  # Thai: vowels that follow their consonant, and signs
    "ະາຳໆຯ"  # Lao
)
_NEVER_LAST: Final = frozenset("เแโใไເແໂໃໄ")
"""Vowels that are written before their consonant."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A stretch of text inside which no line ends, with its times in seconds. `gap` is what is before it."""

    text: str
    gap: str
    start: float
    end: float
    width: int
    """It is in columns."""


def phrases(words: Sequence[Word], widest: int, language: str | None = None) -> list[Phrase]:
    """Returns the text of the words as phrases of at most `widest` columns."""
    text = joined(words)
    clock = _Clock(words)
    found: list[Phrase] = []
    places = [0, *break_places(text, language), len(text)]
    for begin, end in pairwise(places):
        whole = text[begin:end]
        said = whole.strip(_BREAKING_SPACES)
        if not said:
            continue
        begin += len(whole) - len(whole.lstrip(_BREAKING_SPACES))
        gap = gap_of(text[begin - 1]) if begin and text[begin - 1] in _BREAKING_SPACES else ""
        for part in _narrow(said, widest):
            shown = part.strip(_BREAKING_SPACES)
            if shown:
                gap = gap or ("" if part.startswith(shown) else " ")
                found.append(Phrase(shown, gap, clock.start(begin), clock.end(begin + len(part)), columns(shown)))
            begin += len(part)
            gap = " " if part.endswith(" ") else ""
    return found


def break_places(text: str, language: str | None = None) -> list[int]:
    """Returns where in a text a line may begin, in order: after spaces, and where phrases meet."""
    places = {i for i in range(1, len(text)) if text[i - 1] in _BREAKING_SPACES and text[i] not in _BREAKING_SPACES}
    if not text.isascii():
        for scripts, parser in _parsers(text, language):
            places |= {place for place in _parsed(text, parser) if _may_break(text, place, scripts)}
    return _with_letters(text, sorted(places))


def _with_letters(text: str, places: Iterable[int]) -> list[int]:
    """Leaves out the places before mere punctuation, and those after it at the beginning."""
    kept: list[int] = []
    for place in places:
        if not letters(text[kept[-1] if kept else 0 : place]):
            if kept:
                kept[-1:] = []
            else:
                continue
        kept.append(place)
    if kept and not letters(text[kept[-1] :]):
        kept.pop()
    return kept


def _parsers(text: str, language: str | None) -> list[tuple[tuple[tuple[str, str], ...], "Parser"]]:
    parsers: list[tuple[tuple[tuple[str, str], ...], Parser]] = []
    if _has(text, _KANA):
        parsers.append(((*_KANA, *_HAN), _parser("ja")))
    elif _has(text, _HAN):
        japanese = (language or "").casefold() in ("ja", "japanese")
        parsers.append((_HAN, _parser("ja" if japanese else "zh-hans")))
    if _has(text, _THAI):
        parsers.append((_THAI, _parser("th")))
    return parsers


@cache
def _parser(name: str) -> "Parser":
    import budoux

    return {
        "ja": budoux.load_default_japanese_parser,
        "zh-hans": budoux.load_default_simplified_chinese_parser,
        "th": budoux.load_default_thai_parser,
    }[name]()


def _parsed(text: str, parser: "Parser") -> list[int]:
    places, at = [], 0
    for phrase in parser.parse(text):
        at += len(phrase)
        places.append(at)
    return places[:-1]


def _may_break(text: str, place: int, scripts: tuple[tuple[str, str], ...]) -> bool:
    """Returns whether a model's place is beside a letter of its scripts, and not inside what readers see as one."""
    before, after = text[place - 1], text[place]
    beside = _has(before, scripts) or _has(after, scripts)
    return beside and after not in _BREAKING_SPACES and _may_part(text[max(0, place - 16) : place], text[place:])


def _may_part(head: str, tail: str) -> bool:
    if tail[0] in _NEVER_FIRST or head[-1] in _NEVER_LAST:
        return False
    around = tail[:16]
    return any(len(part) == len(head) for part in _growing(iter_graphemes(head + around)))


def _growing(parts: Iterable[str]) -> Iterable[str]:
    text = ""
    for part in parts:
        text += part
        yield text


def _has(text: str, scripts: tuple[tuple[str, str], ...]) -> bool:
    return any(low <= letter <= high for letter in text for low, high in scripts)


def _narrow(text: str, widest: int) -> list[str]:
    """Returns the text in parts that fit into a line."""
    if columns(text) <= widest:
        return [text]
    parts: list[list[str]] = [[]]
    for letter in iter_graphemes(text):
        if columns("".join(parts[-1])) + columns(letter) > widest:
            parts.append(_taken_along(parts[-1], letter))
        parts[-1].append(letter)
    return ["".join(part) for part in parts]


def _taken_along(part: list[str], letter: str) -> list[str]:
    """Returns the letters at the end of a part that must not be parted from the next one, and takes them from it."""
    taken: list[str] = []
    while len(part) > 1 and (letter[0] in _NEVER_FIRST or part[-1][0] in _NEVER_LAST):
        letter = part.pop()
        taken.insert(0, letter)
    return taken


class _Clock:
    """Knows when each letter of the words' running text sounds."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._edges: list[tuple[int, int, Word]] = []
        at = 0
        for number, word in enumerate(words):
            at += len(word.gap) if number else 0
            self._edges.append((at, at + len(word.text), word))
            at += len(word.text)
        self._next = 0

    def start(self, place: int) -> float:
        return self._time(place, at_end=False)

    def end(self, place: int) -> float:
        return self._time(place, at_end=True)

    def _time(self, place: int, *, at_end: bool) -> float:
        """Returns the time of a place, which is never before that of the call before."""
        while self._next > 0 and place <= self._edges[self._next][0]:
            self._next -= 1
        while self._next < len(self._edges) - 1 and (
            place > self._edges[self._next][1] or (not at_end and place >= self._edges[self._next + 1][0])
        ):
            self._next += 1
        begin, end, word = self._edges[self._next]
        share = min(max((place - begin) / (end - begin), 0.0), 1.0) if end > begin else 1.0
        return word.start + (word.end - word.start) * share
