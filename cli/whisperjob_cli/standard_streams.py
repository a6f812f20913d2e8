"""Standard output and error as commands need them: any file's name can be printed, and a closed pipe is no fault."""

import codecs
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Final

_PRINT_ANYTHING: Final = "whisperjob-print-anything"


def accept_any_name() -> None:
    """Lets names be printed that are no valid text, byte for byte; what the terminal's encoding lacks becomes `?`."""
    codecs.register_error(_PRINT_ANYTHING, _print_anything)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_PRINT_ANYTHING)


def discard_output() -> None:
    """To be called when a reader of standard output has gone: what is still buffered must raise no error at exit."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def as_text(name: str) -> str:
    """Returns a file's name as valid text, for what is written into a transcript or JSON."""
    return os.fsencode(name).decode("utf-8", "replace")


def _print_anything(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return b"".join(_byte(character) for character in characters), error.end


def _byte(character: str) -> bytes:
    code = ord(character)
    return bytes([code - 0xDC00]) if 0xDC80 <= code <= 0xDCFF else b"?"
