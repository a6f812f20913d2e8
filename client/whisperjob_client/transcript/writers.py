"""Writes a transcript in each format: text, Markdown, SubRip and WebVTT here, others in their own modules. Pure."""

import re
from collections.abc import Callable

from whisperjob_client.durations import clock
from whisperjob_client.plain_text import one_line
from whisperjob_client.transcript.cues import Cue, Voice, cues
from whisperjob_client.transcript.document import write_document
from whisperjob_client.transcript.formats import Format
from whisperjob_client.transcript.paragraphs import paragraphs
from whisperjob_client.transcript.tables import write_tsv
from whisperjob_client.transcript.transcript_model import Transcript
from whisperjob_client.transcript.word_processor import write_docx
from whisperjob_client.transcript.word_vtt import write_word_vtt

__all__ = ["Format", "encode", "write"]

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~]|&(?=#?\w+;))")
_SRT_MARKUP = str.maketrans({"<": "‹", ">": "›"})
_SRT_STYLE = re.compile(r"\{(?=\\|[a-zA-Z]:)")


def write(transcript: Transcript, format_: Format, title: str = "Transcript") -> str:
    """Returns the file's content. `title` is the heading in Markdown, and a field in JSON.

    Raises ValueError for DOCX, which is no text: see `encode`.
    """
    if format_ is Format.DOCX:
        raise ValueError("docx is no text")
    writer: Callable[[Transcript, str], str] = {
        Format.TXT: _txt,
        Format.SRT: _srt,
        Format.VTT: _vtt,
        Format.WORD_VTT: write_word_vtt,
        Format.JSON: write_document,
        Format.TSV: write_tsv,
        Format.MD: _markdown,
    }[format_]
    return writer(transcript, one_line(title))


def encode(transcript: Transcript, format_: Format, title: str = "Transcript") -> bytes:
    """Returns the file's bytes. Raises UsageError if the package for DOCX is missing."""
    if format_ is Format.DOCX:
        return write_docx(transcript, one_line(title))
    return write(transcript, format_, title).encode()


def _txt(transcript: Transcript, _: str) -> str:
    parts = []
    for paragraph in paragraphs(transcript):
        label = transcript.label(paragraph.speaker)
        parts.append(f"{label}: {paragraph.text}\n" if label else f"{paragraph.text}\n")
    return "\n".join(parts)


def _markdown(transcript: Transcript, title: str) -> str:
    parts = [f"# {_escaped_markdown(title)}\n"]
    for paragraph in paragraphs(transcript):
        label = transcript.label(paragraph.speaker)
        head = (
            f"**{_escaped_markdown(label)}** ({clock(int(paragraph.start))})"
            if label
            else f"({clock(int(paragraph.start))})"
        )
        parts.append(f"{head} {_escaped_markdown(paragraph.text)}\n")
    return "\n".join(parts)


def _srt(transcript: Transcript, _: str) -> str:
    blocks = []
    for number, cue in enumerate(cues(transcript), 1):
        lines = "\n".join(_harmless_srt(line) for line in cue.labelled_lines)
        blocks.append(f"{number}\n{_timestamp(cue.start_ms, ',')} --> {_timestamp(cue.end_ms, ',')}\n{lines}\n")
    return "\n".join(blocks)


def _vtt(transcript: Transcript, _: str) -> str:
    """Returns WebVTT. A speaker is in a voice tag, which players may show, and not in the text."""
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript):
        text = "\n".join(_spoken_by(transcript.label(voice.speaker), voice, cue) for voice in cue.voices)
        blocks.append(f"{_timestamp(cue.start_ms, '.')} --> {_timestamp(cue.end_ms, '.')}\n{text}\n")
    return "\n".join(blocks)


def _spoken_by(label: str | None, voice: Voice, cue: Cue) -> str:
    """Returns a voice's lines in its tag, which may stay open where it is the only one of a cue."""
    text = "\n".join(_escaped_html(line) for line in voice.lines)
    end = "</v>" if len(cue.voices) > 1 else ""
    return f"<v {_escaped_html(label)}>{text}{end}" if label else text


def _timestamp(milliseconds: int, mark: str) -> str:
    seconds, remainder = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{remainder:03d}"


def _harmless_srt(line: str) -> str:
    """Returns the line without what players take for markup or for another cue's times: SubRip has no escapes."""
    return _SRT_STYLE.sub("(", line.translate(_SRT_MARKUP))


def _escaped_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _escaped_html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
