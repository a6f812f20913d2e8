"""Text from outside as one line that any file can have: without control characters and line breaks. Pure."""

import re
from typing import Final

_LINE_BREAKS: Final = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
"""With the two that Unicode assigns to nothing: XML, and so a docx, cannot have them."""
_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")


def one_line(text: str) -> str:
    """Returns the text with a space for each line break and tab, and without control characters.

    JSON may have half of a surrogate pair, which no file can have; it becomes U+FFFD. Joiners and marks for the
    direction of writing stay, because scripts need them.
    """
    if _SURROGATES.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROLS.sub("", _LINE_BREAKS.sub(" ", text))
