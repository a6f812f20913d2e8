"""The formats of transcripts. `writers` writes them; its imports take longer than showing a command's help may take."""

import sys
from collections.abc import Iterable
from enum import StrEnum
from importlib.util import find_spec

from whisperjob_client.errors import UsageError


class Format(StrEnum):
    """A format; the value is the ending of its files."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    WORD_VTT = "words.vtt"
    JSON = "json"
    TSV = "tsv"
    MD = "md"
    DOCX = "docx"


def check_formats(formats: Iterable[Format]) -> None:
    """Raises UsageError if one needs a package that is missing: this must be known before a recogniser is paid."""
    if Format.DOCX in formats and find_spec("docx") is None:
        raise UsageError(
            f"The format docx needs the package `python-docx`: {sys.executable} -m pip install python-docx"
        )
