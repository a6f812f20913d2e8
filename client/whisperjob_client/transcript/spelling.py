"""Splits text into words and joins them again, also in scripts without spaces between words. Pure.

Thai, Lao, Khmer, Burmese, Chinese and Japanese have none between words, but may have some between phrases or around
foreign words. So each word knows what is before it, and joined words are the text again. Korean needs nothing special.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from wcwidth import width

_EAST_ASIAN: Final = (
    "\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\U00020000-\U0003134f"  # Han, rare
)
_LETTERS: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    f"{_EAST_ASIAN}"
)
_PUNCTUATION: Final = "\u3000-\u303f\uff00-\uffef"
_UNSPACED: Final = re.compile(f"[{_LETTERS}]")
_NO_SPACE_BESIDE: Final = re.compile(f"[{_LETTERS}{_PUNCTUATION}]")
_NO_SPACE_AFTER_PAUSE: Final = re.compile(f"[{_EAST_ASIAN}{_PUNCTUATION}]")
_PIECE: Final = re.compile(rf"[^\w{_LETTERS}]*[{_LETTERS}](?:[^\w])*|[^{_LETTERS}]+")
_SPACES: Final = re.compile(r"([^\S\u00a0\u2007\u202f]+)")
"""A no-break space stays inside its word."""
_WIDE_SPACE: Final = "\u3000"
_CLOSING: Final = "\"'”’»›)]}」』）】"
_SENTENCE_ENDS: Final = (".", "!", "?", "…", "。", "．", "！", "？", "\uff61", "।", "॥", "؟", "۔", "።", "։")
_OPENING: Final = "\"'“‘«¿¡([{"
_TITLE: Final = re.compile(r"\W*(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Sra|Mme|Mlle|Nr|vs|[A-HJ-Z])\.")
_INNER_STOP: Final = re.compile(r"\w\.\w|…$|\.\.$")
_CLAUSE_ENDS: Final = (",", ";", ":", "–", "—", "、", "，", "；", "：", "،", "؛")


class Spelt(Protocol):
    """What has a text, and what is between it and the text before it."""

    @property
    def text(self) -> str: ...

    @property
    def gap(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Piece:
    """A word of a text. `gap` is a space, an ideographic space, or nothing."""

    text: str
    gap: str = ""


def tokens(text: str) -> list[Piece]:
    """Returns the words of a text, each with its punctuation; in a script without spaces, the single letters.

    Separate punctuation belongs to the word before it, at the beginning to the word after it.
    """
    pieces: list[Piece] = []
    gap = ""
    for part in _SPACES.split(text):
        if not part or part.isspace():
            gap = gap_of(part) or gap
            continue
        for piece in _PIECE.findall(part) if _UNSPACED.search(part) else [part]:
            pieces.append(Piece(piece, gap))
            gap = ""
    return _attach_punctuation(pieces)


def _attach_punctuation(pieces: Iterable[Piece]) -> list[Piece]:
    words: list[Piece] = []
    for piece in pieces:
        if words and not (letters(piece.text) and letters(words[-1].text)):
            words[-1] = replace(words[-1], text=f"{words[-1].text}{piece.gap}{piece.text}")
        else:
            words.append(piece)
    return words


def joined(words: Iterable[Spelt]) -> str:
    """Returns the words as running text, spaced as they were."""
    return "".join(f"{word.gap if number else ''}{word.text}" for number, word in enumerate(words))


def gap_of(spaces: str) -> str:
    """Returns one space for any white space; an ideographic one stays, because Japanese has it for a reason."""
    return _WIDE_SPACE if _WIDE_SPACE in spaces else " " if spaces else ""


def usual_gap(before: str, after: str) -> str:
    """Returns what is usual between two words, where the recogniser does not say it."""
    return "" if _meet(_NO_SPACE_BESIDE, before, after) else " "


def gap_after_pause(before: str, after: str) -> str:
    """Returns what is usual between two phrases: Thai and its neighbours have a space there."""
    return "" if _meet(_NO_SPACE_AFTER_PAUSE, before, after) else " "


def _meet(pattern: re.Pattern[str], before: str, after: str) -> bool:
    return bool(pattern.match(before[-1:]) or pattern.match(after[:1]))


def letters(text: str) -> str:
    """Returns the letters and digits without case, which all spellings of a word share. Empty for mere punctuation."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def ends_sentence(text: str) -> bool:
    return text.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)


def sentence_ends_between(before: str, after: str) -> bool:
    """Returns whether a sentence ends with the first word, as the next one shows: not with `Mr.`, or in `i.e. this`."""
    if not ends_sentence(before):
        return False
    continues = after.lstrip(_OPENING)[:1].islower()
    return not (_TITLE.fullmatch(before) or (continues and _INNER_STOP.search(before)))


def ends_clause(text: str) -> bool:
    return text.rstrip(_CLOSING).endswith(_CLAUSE_ENDS)


def columns(text: str) -> int:
    """Returns the width on a screen, where East Asian wide characters take two columns."""
    return len(text) if text.isascii() else width(text)
