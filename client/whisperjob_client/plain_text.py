"""Text from outside as one line: for the files of transcripts, and for terminals, logs and errors. Pure."""

import re
from typing import Final

_LINE_BREAKS: Final = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202d\u202e\ufeff\ufffe\uffff]")
"""With the two overrides of direction, which no language needs, and two that Unicode assigns to nothing: XML, and so a
docx, cannot have them."""

_DECEPTIVE: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e007f]")
"""Embeddings and isolates of direction, annotations, tags: they change what is around them, or hide."""

_SURROGATES: Final = re.compile(r"[\ud800-\udfff]")
_NO_BYTES: Final = re.compile(r"[\ud800-\udc9f\udd00-\udfff]")
"""Surrogates but for those by which Python writes the bytes 0xA0 to 0xFF of a file's name that is no valid text."""


def one_line(text: str) -> str:
    """Returns the text with a space for each line break and tab, and without control characters.

    JSON may have half of a surrogate pair, which no file can have; it becomes U+FFFD. Joiners and marks for the
    direction of writing stay, because scripts need them.
    """
    if _SURROGATES.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return _CONTROLS.sub("", _LINE_BREAKS.sub(" ", text))


def plain(text: str, longest: int | None = None) -> str:
    """Returns the text as a terminal, a log or an error may show it, whoever wrote it: one line that moves no cursor,
    changes no colour, title or direction, and hides nothing. What is longer than `longest` characters is cut.

    The name of a file may be no valid text; its bytes stay, but for those that are control characters.
    """
    shown = _DECEPTIVE.sub("", _CONTROLS.sub("", _LINE_BREAKS.sub(" ", _NO_BYTES.sub("\ufffd", text))))
    if longest is not None and len(shown) > longest:
        shown = f"{shown[: longest - 1]}…"
    return shown


def plain_lines(text: str) -> str:
    """Returns the text as a terminal may show it, with its line breaks and tabs."""
    return "\n".join("\t".join(map(plain, line.split("\t"))) for line in text.split("\n"))
