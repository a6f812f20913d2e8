"""A transcript as text, Markdown, SubRip, WebVTT or JSON. Pure: strings out, files are written elsewhere."""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from whisperjob_client.transcript.model import Transcript, Word
from whisperjob_client.transcript.paragraphs import cues, labelled_lines, paragraphs

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~])")


class Format(StrEnum):
    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    MD = "md"


def write(transcript: Transcript, format_: Format, title: str = "Transcript") -> str:
    """`title` heads the Markdown and stands in the JSON."""
    writer: Callable[[Transcript, str], str] = {
        Format.TXT: _txt,
        Format.SRT: _srt,
        Format.VTT: _vtt,
        Format.JSON: _json,
        Format.MD: _markdown,
    }[format_]
    return writer(transcript, title)


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
            f"**{_escaped_markdown(label)}** ({_clock(paragraph.start)})" if label else f"({_clock(paragraph.start)})"
        )
        parts.append(f"{head} {_escaped_markdown(paragraph.text)}\n")
    return "\n".join(parts)


def _srt(transcript: Transcript, _: str) -> str:
    blocks = []
    for number, cue in enumerate(cues(transcript), 1):
        lines = "\n".join(labelled_lines(cue.label, cue.text))
        blocks.append(f"{number}\n{_timestamp(cue.start_ms, ',')} --> {_timestamp(cue.end_ms, ',')}\n{lines}\n")
    return "\n".join(blocks)


def _vtt(transcript: Transcript, _: str) -> str:
    """The speaker stands in a voice tag, which players may show, and not in the text."""
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript):
        text = "\n".join(_escaped_html(line) for line in labelled_lines(None, cue.text))
        label = transcript.label(cue.speaker)
        voice = f"<v {_escaped_html(label)}>" if label else ""
        blocks.append(f"{_timestamp(cue.start_ms, '.')} --> {_timestamp(cue.end_ms, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def _json(transcript: Transcript, title: str) -> str:
    body = {
        "schemaVersion": 1,
        "title": title,
        "language": transcript.language,
        "duration": round(transcript.duration, 3),
        "speakers": [{"id": s, "name": transcript.label(s)} for s in transcript.speakers],
        "paragraphs": [
            {"start": round(p.start, 3), "end": round(p.end, 3), "speaker": p.speaker, "text": p.text}
            for p in paragraphs(transcript)
        ],
        "words": [_word(word) for word in transcript.words],
    }
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def _word(word: Word) -> dict[str, Any]:
    found: dict[str, Any] = {
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "text": word.text,
        "speaker": word.speaker,
    }
    if word.no_speaker is not None:
        found["speakerReason"] = word.no_speaker.value
    if word.doubt is not None:
        found["doubt"] = word.doubt.value
    return found


def _timestamp(milliseconds: int, mark: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:03d}"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _escaped_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _escaped_html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
