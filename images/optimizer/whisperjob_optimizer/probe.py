"""Reads what ffprobe says about a recording, and decides whether it has sound that can be decoded.

Pure: the command line is built in command.py and run in steps.py.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from whisperjob.model.errors import InputError, JobCode
from whisperjob.model.phase import RawFormat
from whisperjob_optimizer import file_signatures, formats

_RAW_BITS = {"s16": 16, "s24": 24, "s32": 32, "f32": 32, "f64": 64, "u8": 8, "s8": 8, "mulaw": 8, "alaw": 8}

_EXACT_CONTAINERS = frozenset(
    {"mov", "wav", "w64", "aiff", "caf", "flac", "wv", "tta", "ape", "tak", "shn", "mxf", "gxf"}
)
"""Demuxers whose stream duration comes from sample counts or tables in a header."""

_MIN_DELAY_SECONDS = 0.1
"""A shorter delay comes from how containers interleave, not from the recording."""

_MAX_DELAY_SECONDS = 60.0
"""With a longer delay, the file is a part of a longer recording with the clock of that, or a broken one."""

CONFIDENT_SCORE = 51
"""Of ffmpeg's own score, up to 100. An extension alone scores 50; content with no more is probed again with it."""


@dataclass(frozen=True, slots=True)
class SourceFormat:
    """The first audio stream and its container. `exact_seconds` is set only if the container counts exactly."""

    container: str
    codec: str
    sample_rate: int
    channels: int
    layout: str
    declared_seconds: float | None
    exact_seconds: float | None
    ffmpeg_version: str
    timed: bool = False
    delay_seconds: float = 0.0
    """How much later than the recording (mostly its picture) the sound begins."""


@dataclass(frozen=True, slots=True)
class ProbeOutput:
    """ffprobe's JSON, parsed."""

    format: dict[str, Any]
    streams: tuple[dict[str, Any], ...]
    version: str

    @property
    def score(self) -> int:
        """How sure ffprobe is of the format, up to 100."""
        return int(self.format.get("probe_score", 0))


def parse_output(text: str) -> ProbeOutput:
    """Parses ffprobe's JSON. The result is empty if ffprobe gave up before it wrote any."""
    try:
        data = json.loads(text or "{}")
    except ValueError:
        data = {}
    version = data.get("program_version", {}).get("version", "")
    return ProbeOutput(data.get("format", {}), tuple(data.get("streams", ())), str(version))


def identify(output: ProbeOutput, head: bytes) -> SourceFormat:
    """Returns the format of the first audio stream. `head` is the beginning of the file.

    Raises InputError if there is no sound that could be decoded.
    """
    name = str(output.format.get("format_name", ""))
    if not name:
        if file_signatures.looks_encrypted(head):
            raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
        raise InputError(JobCode.NOT_MEDIA, "The file is not a recording in any known format.")
    demuxers = set(name.split(","))
    audio = [s for s in output.streams if s.get("codec_type") == "audio"]
    if not audio and file_signatures.looks_encrypted(head):
        raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
    if not audio or demuxers & formats.SUBTITLE_DEMUXERS:
        raise InputError(JobCode.NO_AUDIO, "The file has no audio stream.")
    first = audio[0]
    codec = str(first.get("codec_name", "unknown"))
    rate, channels = int(first.get("sample_rate", 0) or 0), int(first.get("channels", 0) or 0)
    if codec in ("unknown", "none") or rate <= 0 or channels <= 0:
        if file_signatures.looks_encrypted(head):
            raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
        raise InputError(JobCode.NOT_MEDIA, "The sound in this file is damaged or in a format that cannot be decoded.")
    of_stream = _seconds(first.get("duration"))
    tagged = _clock(str(first.get("tags", {}).get("DURATION", "")))
    exact = of_stream if demuxers & _EXACT_CONTAINERS else tagged
    layout = str(first.get("channel_layout", ""))
    return SourceFormat(
        container=name,
        codec=codec,
        sample_rate=rate,
        channels=channels,
        layout="" if layout == "unknown" else layout,
        declared_seconds=of_stream or tagged or _seconds(output.format.get("duration")),
        exact_seconds=exact,
        ffmpeg_version=output.version,
        timed=bool(demuxers & formats.TIMED_DEMUXERS),
        delay_seconds=_delay(first, output) if demuxers & formats.TIMED_DEMUXERS else 0.0,
    )


def _delay(stream: dict[str, Any], output: ProbeOutput) -> float:
    """Returns how much later than the picture the sound begins; 0 without a picture.

    Matroska's clock begins at 0, but ffprobe, which may not decode the picture, says that it begins with the sound.
    """
    if all(other.get("codec_type") != "video" for other in output.streams):
        return 0.0
    matroska = "matroska" in str(output.format.get("format_name", ""))
    begin = 0.0 if matroska else _seconds(output.format.get("start_time")) or 0.0
    delay = (_seconds(stream.get("start_time")) or 0.0) - begin
    return delay if _MIN_DELAY_SECONDS <= delay <= _MAX_DELAY_SECONDS else 0.0


def describe_headerless(
    raw: RawFormat, sample_rate: int | None, channels: int | None, size_bytes: int, version: str
) -> SourceFormat:
    """Returns the format of headerless PCM, which is not probed but declared; by default 16 kHz, mono."""
    rate, count = sample_rate or 16_000, channels or 1
    bits = _RAW_BITS[raw.removesuffix("le").removesuffix("be")]
    length = size_bytes * 8 / (bits * rate * count)
    codec = f"pcm_{raw}"
    return SourceFormat(str(raw), codec, rate, count, "", length, None, version)


TELEPHONE_RATE = 8000


def identify_telephone_format(output: ProbeOutput) -> RawFormat | None:
    """Returns A-law or µ-law without a header, which is recognised by its extension alone.

    ffmpeg assumes 44.1 kHz for it, but such files are telephone sound.
    """
    name = str(output.format.get("format_name", ""))
    return RawFormat(name) if name in (RawFormat.ALAW, RawFormat.MULAW) else None


def is_truncated(source: SourceFormat, exact_seconds: float | None, decoded_seconds: float) -> bool:
    """Returns whether less than 98 % of an exact count was decoded (and more than priming samples is missing)."""
    exact = exact_seconds or source.exact_seconds
    return exact is not None and decoded_seconds < exact * 0.98 and exact - decoded_seconds > 0.25


def _seconds(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _clock(value: str) -> float | None:
    """Parses Matroska's DURATION tag: 00:01:02.345000000"""
    parts = value.split(":")
    if len(parts) != 3 or not all(part.replace(".", "", 1).isdigit() for part in parts):
        return None
    return _seconds(int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2]))
