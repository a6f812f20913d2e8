"""Reads JSON that others made, with limits on what it may hold. Pure."""

import json
import re
from itertools import accumulate
from typing import Any, Final

MAX_DEPTH: Final = 32
"""No answer that is understood nests deeper than ten levels."""

MAX_VALUES: Final = 2_000_000
"""Of an answer: each value needs up to a hundred times the memory of its text. The diarization of 24 hours of lively
talk has some 600,000."""

_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")


class ForeignJsonError(ValueError):
    """The text is no JSON, or holds more than any good one; the message says which."""


def check_json(text: str, max_values: int = MAX_VALUES) -> None:
    """Raises ForeignJsonError for a text that would take too much to be parsed; whether it is JSON is left open."""
    if text.count(",") + text.count("[") + text.count("{") > max_values:
        raise ForeignJsonError("JSON with too many values")
    brackets = _BRACKET.findall(_STRING.sub("", text))
    if max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0) > MAX_DEPTH:
        raise ForeignJsonError("JSON that is nested too deep")


def load_json(text: str, max_values: int = MAX_VALUES) -> Any:
    """Returns what a JSON text holds. Of equal names the last one counts; NaN and infinite numbers may be in it.

    Raises ForeignJsonError.
    """
    check_json(text, max_values)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ForeignJsonError("JSON that cannot be read") from None
