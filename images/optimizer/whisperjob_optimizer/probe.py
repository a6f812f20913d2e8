"""What ffprobe says about a recording, and whether there is anything to work with.

Pure: the command line is built in command.py and run in pipeline.py.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from whisperjob.model.errors import InputError, JobCode
from whisperjob.model.phase import RawFormat
from whisperjob_optimizer import formats, sniff

_RAW_BITS = {"s16": 16, "s24": 24, "s32": 32, "f32": 32, "f64": 64, "u8": 8, "s8": 8, "mulaw": 8, "alaw": 8}

_EXACT_CONTAINERS = frozenset(
    {"mov", "wav", "w64", "aiff", "caf", "flac", "wv", "tta", "ape", "tak", "shn", "mxf", "gxf"}
)
"""Demuxers whose stream duration comes from sample counts or tables in a header."""

_LATE_SECONDS = 0.1
"""Less is how containers interleave, not how the recording was made."""

_LATEST_SECONDS = 60.0
"""More is a piece of a longer recording that kept its clock, or a broken one."""

CONFIDENT_SCORE = 51
"""ffmpeg's own mark, of 100: an extension alone is worth 50, so content that is worth no more needs a second look."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The first audio stream and its container. `promised_seconds` is set only where the container counts exactly."""

    container: str
    codec: str
    sample_rate: int
    channels: int
    layout: str
    declared_seconds: float | None
    promised_seconds: float | None
    ffmpeg_version: str
    timed: bool = False
    late_by_seconds: float = 0.0
    """How much later than the recording (its picture, most often) the sound begins."""


@dataclass(frozen=True, slots=True)
class Report:
    """ffprobe's JSON, parsed."""

    format: dict[str, Any]
    streams: tuple[dict[str, Any], ...]
    version: str

    @property
    def score(self) -> int:
        return int(self.format.get("probe_score", 0))


def parse(text: str) -> Report:
    """An empty report where ffprobe gave up before it wrote JSON."""
    try:
        data = json.loads(text or "{}")
    except ValueError:
        data = {}
    version = data.get("program_version", {}).get("version", "")
    return Report(data.get("format", {}), tuple(data.get("streams", ())), str(version))


def understand(report: Report, head: bytes) -> Probe:
    """Raises InputError where there is no sound that could be decoded."""
    name = str(report.format.get("format_name", ""))
    if not name:
        if sniff.looks_encrypted(head):
            raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
        raise InputError(JobCode.NOT_MEDIA, "The file is not a recording in any known format.")
    demuxers = set(name.split(","))
    audio = [s for s in report.streams if s.get("codec_type") == "audio"]
    if not audio and sniff.looks_encrypted(head):
        raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
    if not audio or demuxers & formats.SUBTITLE_DEMUXERS:
        raise InputError(JobCode.NO_AUDIO, "The file has no audio stream.")
    first = audio[0]
    codec = str(first.get("codec_name", "unknown"))
    rate, channels = int(first.get("sample_rate", 0) or 0), int(first.get("channels", 0) or 0)
    if codec in ("unknown", "none") or rate <= 0 or channels <= 0:
        if sniff.looks_encrypted(head):
            raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
        raise InputError(JobCode.NOT_MEDIA, "The sound in this file is damaged or in a format that cannot be decoded.")
    of_stream = _seconds(first.get("duration"))
    tagged = _clock(str(first.get("tags", {}).get("DURATION", "")))
    promised = of_stream if demuxers & _EXACT_CONTAINERS else tagged
    layout = str(first.get("channel_layout", ""))
    return Probe(
        container=name,
        codec=codec,
        sample_rate=rate,
        channels=channels,
        layout="" if layout == "unknown" else layout,
        declared_seconds=of_stream or tagged or _seconds(report.format.get("duration")),
        promised_seconds=promised,
        ffmpeg_version=report.version,
        timed=bool(demuxers & formats.TIMED_DEMUXERS),
        late_by_seconds=_late_by(first, report) if demuxers & formats.TIMED_DEMUXERS else 0.0,
    )


def _late_by(sound: dict[str, Any], report: Report) -> float:
    """Only beside a picture. Matroska's clock begins at 0; ffprobe, which may not decode the picture, takes it to
    begin with the sound."""
    if all(stream.get("codec_type") != "video" for stream in report.streams):
        return 0.0
    matroska = "matroska" in str(report.format.get("format_name", ""))
    begin = 0.0 if matroska else _seconds(report.format.get("start_time")) or 0.0
    late = (_seconds(sound.get("start_time")) or 0.0) - begin
    return late if _LATE_SECONDS <= late <= _LATEST_SECONDS else 0.0


def headerless(raw: RawFormat, sample_rate: int | None, channels: int | None, size_bytes: int, version: str) -> Probe:
    """Headerless PCM needs no probe: everything was declared. Absent: 16 kHz, mono."""
    rate, count = sample_rate or 16_000, channels or 1
    bits = _RAW_BITS[raw.removesuffix("le").removesuffix("be")]
    length = size_bytes * 8 / (bits * rate * count)
    codec = f"pcm_{raw}"
    return Probe(str(raw), codec, rate, count, "", length, None, version)


TELEPHONE_RATE = 8000


def telephone_format(report: Report) -> RawFormat | None:
    """A-law or µ-law without a header, known by its extension alone: ffmpeg takes it for 44.1 kHz, everybody else for
    what a telephone line carries."""
    name = str(report.format.get("format_name", ""))
    return RawFormat(name) if name in (RawFormat.ALAW, RawFormat.MULAW) else None


def is_truncated(probe: Probe, promised_seconds: float | None, decoded_seconds: float) -> bool:
    """Less than 98 % of what the container counts exactly (and more than codecs' priming samples) is missing."""
    promised = promised_seconds or probe.promised_seconds
    return promised is not None and decoded_seconds < promised * 0.98 and promised - decoded_seconds > 0.25


def _seconds(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _clock(value: str) -> float | None:
    """Matroska's DURATION tag: 00:01:02.345000000"""
    parts = value.split(":")
    if len(parts) != 3 or not all(part.replace(".", "", 1).isdigit() for part in parts):
        return None
    return _seconds(int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2]))
