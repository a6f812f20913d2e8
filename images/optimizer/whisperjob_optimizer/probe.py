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

_FRAGMENTS_FOLLOW = b"mvex"
"""The box of an MP4's index that says so."""

_LOWEST_RATE, _HIGHEST_RATE = 1000, 6_000_000
"""In Hz. The lower one is that of headerless PCM; the higher one is above all of DSD. A sample that lasts a second
would become 16,000 of ours."""

CONFIDENT_SCORE = 51
"""Of ffmpeg's own score, up to 100. An extension alone scores 50; content with no more is probed again with it."""


@dataclass(frozen=True, slots=True)
class SourceFormat:
    """An audio track and its container.

    `exact_seconds` is the length of its sound, and `exact_end_seconds` its end on the file's clock; they are set only
    if the container counts exactly. `begin_seconds` is when, on that clock, the recording begins (mostly its picture),
    as far as another stream than this one says so.
    """

    container: str
    codec: str
    sample_rate: int
    channels: int
    layout: str
    declared_seconds: float | None
    exact_seconds: float | None
    ffmpeg_version: str
    exact_end_seconds: float | None = None
    timed: bool = False
    begin_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ProbeOutput:
    """ffprobe's JSON, parsed."""

    format: dict[str, Any]
    streams: tuple[dict[str, Any], ...]
    packets: tuple[dict[str, Any], ...]
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
    streams, packets = tuple(data.get("streams", ())), tuple(data.get("packets", ()))
    return ProbeOutput(data.get("format", {}), streams, packets, str(version))


def sound_begins_later(output: ProbeOutput) -> bool:
    """Returns whether there is a track with a known codec of which no packet was found yet."""
    sounds = [stream for stream in output.streams if stream.get("codec_type") == "audio"]
    return any(not int(s.get("sample_rate", 0) or 0) and "codec_name" in s for s in sounds)


def identify(output: ProbeOutput, head: bytes, track: int = 0) -> SourceFormat:
    """Returns the format of an audio track, by its index. `head` is the beginning of the file.

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
    first = audio[track]
    codec = str(first.get("codec_name", "unknown"))
    rate, channels = int(first.get("sample_rate", 0) or 0), int(first.get("channels", 0) or 0)
    if codec in ("unknown", "none") or rate <= 0 or channels <= 0:
        if file_signatures.looks_encrypted(head):
            raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
        raise InputError(JobCode.NOT_MEDIA, "The sound in this file is damaged or in a format that cannot be decoded.")
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise InputError(JobCode.NOT_MEDIA, f"No recording has {rate:,} samples a second, as this file says of itself.")
    of_stream = _seconds(first.get("duration"))
    tagged = _clock(str(first.get("tags", {}).get("DURATION", "")))
    layout = str(first.get("channel_layout", ""))
    # The fragments of a live stream begin anywhere, and ffprobe takes the end of the last one for the length.
    counted = demuxers & _EXACT_CONTAINERS and not ("mov" in demuxers and _FRAGMENTS_FOLLOW in head)
    return SourceFormat(
        container=name,
        codec=codec,
        sample_rate=rate,
        channels=channels,
        layout="" if layout == "unknown" else layout,
        declared_seconds=of_stream or tagged or _seconds(output.format.get("duration")),
        exact_seconds=of_stream if counted else None,
        ffmpeg_version=output.version,
        exact_end_seconds=None if counted else of_stream if "mov" in demuxers else tagged,
        timed=bool(demuxers & formats.TIMED_DEMUXERS),
        begin_seconds=_find_begin(output, int(first.get("index", 0))),
    )


def _find_begin(output: ProbeOutput, sound: int) -> float | None:
    """Returns when the earliest stream beside `sound` begins on the file's clock, by the first packets of the file.

    What ffprobe says of streams is not used: without decoding the picture, it may say that it begins with the sound.
    """
    streams = {
        int(stream.get("index", -1)): int(stream.get("sample_rate", 0) or 0)
        for stream in output.streams
        if stream.get("codec_type") in ("audio", "video") and not stream.get("disposition", {}).get("attached_pic")
    }
    begins = []
    for packet in output.packets:
        index, start = int(packet.get("stream_index", -1)), _number(packet.get("pts_time"))
        if index != sound and index in streams and start is not None:
            begins.append(start + _skipped_seconds(packet, streams[index]))
    return min(begins, default=None)


def _skipped_seconds(packet: dict[str, Any], sample_rate: int) -> float:
    """Returns how much of a packet's beginning is the encoder's delay and no sound."""
    samples = sum(int(data.get("skip_samples", 0)) for data in packet.get("side_data_list", ()))
    return samples / sample_rate if sample_rate else 0.0


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


def is_truncated(exact_seconds: float | None, decoded_seconds: float) -> bool:
    """Returns whether less than 98 % of an exact count was decoded (and more than priming samples is missing)."""
    if exact_seconds is None:
        return False
    return decoded_seconds < exact_seconds * 0.98 and exact_seconds - decoded_seconds > 0.25


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _clock(value: str) -> float | None:
    """Parses Matroska's DURATION tag: 00:01:02.345000000"""
    parts = value.split(":")
    if len(parts) != 3 or not all(part.replace(".", "", 1).isdigit() for part in parts):
        return None
    return _seconds(int(parts[0]) * 3600 + int(parts[1]) * 60 + float(parts[2]))
