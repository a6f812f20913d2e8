"""Reads how long a recording is by its header's count of samples or frames, without ffmpeg. Pure.

ffmpeg corrects some of these counts by the file's size, which hides that a file was cut short. The functions for single
formats return None if the header has no count, and 0 if it has one that says nothing.
"""

import struct
from collections.abc import Iterator
from typing import Literal

from whisperjob.model.mp3 import counted_seconds

_UNKNOWN_SIZE = 0x7FFF_0000
"""Programs that write into a pipe do not know the size, and write the largest one instead, by several ideas of what
that is: 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000, these less the header, and so on."""

_UNKNOWN_LONG_SIZE = 1 << 62


def exact_seconds(head: bytes, probed: float | None) -> float | None:
    """Returns the exact length by the first bytes of a file, or else the `probed` one; None if nobody knows it."""
    counted = _count_seconds(head)
    return probed if counted is None else counted or None


def _count_seconds(head: bytes) -> float | None:
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _wav(head)
    if head[:16] == W64_RIFF:
        return _w64(head)
    if head[:4] == b".snd":
        return _au(head)
    if head[:4] == b"caff":
        return _caf(head)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(head)
    if head[:4] == b"fLaC":
        return _flac(head)
    return counted_seconds(head)


def _riff_chunks(head: bytes, order: Literal["little", "big"]) -> Iterator[tuple[bytes, int, int]]:
    """Yields (name, declared size, offset of its data) of each chunk."""
    at = 12
    while at + 8 <= len(head):
        size = int.from_bytes(head[at + 4 : at + 8], order)
        yield head[at : at + 4], size, at + 8
        at += 8 + size + (size & 1)


_PCM_TAGS = (1, 3, 6, 7, 0xFFFE)


def _wav(head: bytes) -> float | None:
    rate = 0
    long_size: int | None = None
    for name, size, at in _riff_chunks(head, "little"):
        if name == b"ds64":
            long_size = int.from_bytes(head[at + 8 : at + 16], "little")
        elif name == b"fmt " and int.from_bytes(head[at : at + 2], "little") in _PCM_TAGS:
            rate = int.from_bytes(head[at + 8 : at + 12], "little")  # bytes a second, exact for PCM
        elif name == b"data":
            if long_size is not None and size >= _UNKNOWN_SIZE:
                known = 0 < long_size < _UNKNOWN_LONG_SIZE
                size = long_size
            else:
                known = 0 < size < _UNKNOWN_SIZE
            if not known:
                return 0
            return size / rate if rate else None
    return None


W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_FORMAT = bytes.fromhex("666d7420f3acd3118cd100c04f8edb8a")
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


def _w64(head: bytes) -> float | None:
    at, rate = 40, 0
    while at + 24 <= len(head):
        name, size = head[at : at + 16], int.from_bytes(head[at + 16 : at + 24], "little")
        if name == _W64_FORMAT and int.from_bytes(head[at + 24 : at + 26], "little") in _PCM_TAGS:
            rate = int.from_bytes(head[at + 32 : at + 36], "little")
        if name == _W64_DATA:
            if not 24 < size < _UNKNOWN_LONG_SIZE:
                return 0
            return (size - 24) / rate if rate else None
        at += max(24, size + 7 & ~7)
    return None


_AU_SAMPLE_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


def _au(head: bytes) -> float | None:
    size, encoding, rate, channels = (int.from_bytes(head[at : at + 4]) for at in (8, 12, 16, 20))
    frame = _AU_SAMPLE_BYTES.get(encoding, 0) * channels
    if not 0 < size < _UNKNOWN_SIZE:
        return 0
    return size / (frame * rate) if frame and rate else None


def _caf(head: bytes) -> float | None:
    at, rate, frame = 8, 0.0, 0
    while at + 12 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 12], signed=True)
        if name == b"desc" and head[at + 20 : at + 24] in (b"lpcm", b"alaw", b"ulaw"):
            (rate,) = struct.unpack_from(">d", head, at + 12)
            frame = int.from_bytes(head[at + 28 : at + 32])
        if name == b"data":
            if not 4 < size < _UNKNOWN_LONG_SIZE:
                return 0
            return (size - 4) / (frame * rate) if frame and rate > 0 else None
        at += 12 + max(0, size)
    return None


def _aiff(head: bytes) -> float | None:
    for name, _, at in _riff_chunks(head, "big"):
        if name == b"COMM" and at + 18 <= len(head):
            frames = int.from_bytes(head[at + 2 : at + 6])
            exponent = (int.from_bytes(head[at + 8 : at + 10]) & 0x7FFF) - 16383 - 63
            rate = float(int.from_bytes(head[at + 10 : at + 18])) * 2.0**exponent if -200 < exponent < 200 else 0.0
            if not 0 < frames < _UNKNOWN_SIZE:
                return 0
            return frames / rate if rate else None
    return None


def _flac(head: bytes) -> float | None:
    packed = int.from_bytes(head[18:26])
    rate, samples = packed >> 44, packed & ((1 << 36) - 1)
    return samples / rate if rate and samples else None
