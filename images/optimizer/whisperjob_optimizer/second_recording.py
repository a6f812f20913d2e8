"""Finds out whether a file has a second recording behind the first, which ffmpeg does not read.

Some recorders append to the file of the day before, and some people join files byte by byte. Formats of which ffmpeg
does read all parts (MP3, Ogg, MPEG-TS and others) are not looked at here. Of Matroska it reads two, or all that have no
size.
"""

from collections.abc import Iterator
from typing import BinaryIO, Literal

from whisperjob_optimizer.file_signatures import ASF_HEADER, EBML, mp4_boxes, read_at
from whisperjob_optimizer.headers import W64_RIFF

_STARTS = (b"RIFF", b"RF64", b"FORM", b"fLaC", b"OggS", b"FLV\x01", b"caff", EBML)
_MAX_PARTS = 1_000_000
_FLV_TAGS = (8, 9, 18)
_SEARCHED_BYTES = 64 * 1024
_MAX_SEARCHES = 1000
_HEADER_BYTES = 24


def has_second_recording(file: BinaryIO) -> bool:
    """Returns whether another recording begins where the first one ends. `file` is seekable; only headers are read."""
    return any(_begins_recording(file, end) for end in _ends(file))


def _ends(file: BinaryIO) -> Iterator[int]:
    head = _read(file, 0)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        yield from _riff_ends(file, "little")
    elif head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        yield from _riff_ends(file, "big")
    elif head[:16] == W64_RIFF:
        yield (int.from_bytes(head[16:24], "little") + 7) & ~7
    elif head[:4] == b"caff":
        yield from _caf_ends(file)
    elif head[:3] == b"FLV":
        yield _flv_end(file)
    elif head[:16] == ASF_HEADER:
        yield from _asf_ends(file)
    elif head[:4] == EBML:
        yield from _matroska_ends(file)
    elif head[4:8] == b"ftyp":
        yield from _mp4_ends(file)


def _read(file: BinaryIO, at: int) -> bytes:
    return read_at(file, at, _HEADER_BYTES)


def _begins_recording(file: BinaryIO, at: int) -> bool:
    head = _read(file, at)
    return head.startswith((*_STARTS, ASF_HEADER, W64_RIFF)) or head[4:8] == b"ftyp"


def _riff_ends(file: BinaryIO, order: Literal["little", "big"]) -> Iterator[int]:
    """Yields the ends by the size of the whole and by that of the sound; writers fill in the one or the other."""
    size = int.from_bytes(_read(file, 0)[4:8], order)
    yield 8 + size + (size & 1)
    at = 12
    for _ in range(_MAX_PARTS):
        header = _read(file, at)
        if len(header) < 8:
            return
        size = int.from_bytes(header[4:8], order)
        at += 8 + size + (size & 1)
        if header[:4] in (b"data", b"SSND"):
            yield at
            return


def _caf_ends(file: BinaryIO) -> Iterator[int]:
    at = 8
    for _ in range(_MAX_PARTS):
        header = _read(file, at)
        size = int.from_bytes(header[4:12], signed=True)
        if len(header) < 12 or size < 0:
            return
        at += 12 + size
        yield at


def _flv_end(file: BinaryIO) -> int:
    at = int.from_bytes(_read(file, 0)[5:9]) + 4
    for _ in range(_MAX_PARTS):
        header = _read(file, at)
        if len(header) < 11 or header[0] & 0x1F not in _FLV_TAGS:
            break
        at += 11 + int.from_bytes(header[1:4]) + 4
    return at


def _asf_ends(file: BinaryIO) -> Iterator[int]:
    at = 0
    for _ in range(_MAX_PARTS):
        header = _read(file, at)
        size = int.from_bytes(header[16:24], "little")
        if len(header) < _HEADER_BYTES or size < _HEADER_BYTES:  # a stream that never ended has no size
            return
        at += size
        yield at


def _matroska_ends(file: BinaryIO) -> Iterator[int]:
    """Yields where ffmpeg stops: behind the first recording, or behind the second if that is Matroska, too."""
    at = 0
    for element in range(4):  # a header and a segment of each
        header = _read(file, at)
        length = 9 - header[4].bit_length() if len(header) == _HEADER_BYTES else 9
        size = int.from_bytes(header[4 : 4 + length]) & ((1 << 7 * length) - 1)
        if length > 8 or size == (1 << 7 * length) - 1:  # a stream that never ended has no size
            return
        at += 4 + length + size
        if element == 1 and _read(file, at)[:4] != EBML:
            break
    yield at


def _mp4_ends(file: BinaryIO) -> Iterator[int]:
    """Yields where each box ends. In a file of fragments, only a clock that begins again makes a second recording."""
    fragments, searches = False, 0
    for name, begin, size in mp4_boxes(file, _MAX_PARTS):
        if size < 8:
            return
        fragments = fragments or name == b"moof"
        end = begin + size
        if not fragments:
            yield end
        elif searches < _MAX_SEARCHES and _read(file, end)[4:8] == b"ftyp":
            searches += 1
            if _fragments_begin_again(file, end):
                yield end


def _fragments_begin_again(file: BinaryIO, at: int) -> bool:
    """Returns whether the first fragment from `at` on begins at time 0, by its `tfdt` box."""
    data = read_at(file, at, _SEARCHED_BYTES)
    fragment = data.find(b"moof")
    box = data.find(b"tfdt", fragment) + 4 if fragment >= 0 else 0
    if box < 8:
        return False
    length = 8 if data[box : box + 1] == b"\x01" else 4
    time = data[box + 4 : box + 4 + length]
    return len(time) == length and not any(time)
