"""The formats of transcripts. `writers` writes them; its imports take longer than showing a command's help may take."""

from enum import StrEnum


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
