"""Compares languages by ISO 639: `de`, `deu`, `ger`, `German` and `de-AT` are one. Pure.

The table is imported when it is first needed: it takes longer to load than all of the worker's other modules, and
hardly any recording has several tracks.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iso639 import Language

NO_SPEECH = "zxx"
"""The code of a track without language: music and effects."""

_UNKNOWN = frozenset({"und", "mis", "mul", NO_SPEECH})
"""Codes that name no single language."""

_USUAL_NAMES = ("{} (macrolanguage)", "Modern {} (1453-)", "{} (post 1500)", "{} Chinese")
"""How ISO 639 calls some languages that everybody calls by one word: Malay, Greek, Occitan, Mandarin."""


def is_known(name: str) -> bool:
    """Returns whether a code or an English name stands for one language."""
    return _find(name) is not None


def is_same(one: str, two: str) -> bool:
    """Returns whether two codes or names mean one language, or one is part of the other (Mandarin of Chinese)."""
    first, second = _find(one), _find(two)
    if first is None or second is None:
        return _simplify(one) == _simplify(two)
    return first.part3 in (second.part3, second.macrolanguage) or second.part3 == first.macrolanguage


def _find(name: str) -> "Language | None":
    from iso639 import Language, LanguageNotFoundError

    whole = _simplify(name)
    code = whole.replace("_", "-").partition("-")[0]
    titled = whole.title()
    for form in (whole, titled, code, *(usual.format(titled) for usual in _USUAL_NAMES)):
        try:
            found = Language.match(form)
        except LanguageNotFoundError:
            continue
        return None if found.part3 in _UNKNOWN else found
    return None


def _simplify(name: str) -> str:
    return " ".join(name.casefold().split())
