"""Splits text into words and joins them again, also in scripts without spaces. Pure.

Korean has spaces and needs nothing special. Thai, Lao, Khmer and Burmese have none; their combining marks stay with the
letter they belong to.
"""

import re
import unicodedata
from collections.abc import Iterable

_LETTERS = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u3040-\u30ff\u31f0-\u31ff"  # kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Han
    "\U00020000-\U0003134f"  # Han, rare
)
_UNSPACED = re.compile(f"[{_LETTERS}]")
_NO_SPACE_BESIDE = re.compile(f"[{_LETTERS}\u3000-\u303f\uff00-\uffef]")
_PIECE = re.compile(rf"[^\w{_LETTERS}]*[{_LETTERS}](?:[^\w])*|[^{_LETTERS}]+")


def tokens(text: str) -> list[str]:
    """Returns the words of a text, each with its punctuation; in a script without spaces, the single letters.

    Separate punctuation belongs to the word before it, at the beginning to the word after it.
    """
    pieces: list[str] = []
    for word in text.split():
        pieces += _PIECE.findall(word) if _UNSPACED.search(word) else [word]
    return attach_punctuation(pieces)


def attach_punctuation(pieces: Iterable[str]) -> list[str]:
    words: list[str] = []
    for piece in pieces:
        if words and not (letters(piece) and letters(words[-1])):
            words[-1] = joined((words[-1], piece))
        else:
            words.append(piece)
    return words


def joined(words: Iterable[str]) -> str:
    """Returns the words as running text."""
    text = ""
    for word in words:
        spaced = text and word and not _NO_SPACE_BESIDE.match(text[-1]) and not _NO_SPACE_BESIDE.match(word[0])
        text += f" {word}" if spaced else word
    return text


def letters(text: str) -> str:
    """Returns the letters and digits without case, which all spellings of a word share. Empty for mere punctuation."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def ends_sentence(text: str) -> bool:
    return text.rstrip("\"'”’»)]」』").endswith((".", "!", "?", "…", "。", "！", "？", "।"))


def columns(text: str) -> int:
    """Returns the width on a screen, where East Asian wide characters take two columns."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in text)
