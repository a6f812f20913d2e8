"""Cuts an MP3 chunk into shorter files, for a recogniser that accepts no file as long as the chunk. Pure; no decoding.

A frame may use bits of the frame before it, so a part begins one frame early: that frame is the cut's, and hardly
audible, because cuts are made where the encoder needed the least amplification. Parts have no Info frame, so a decoder
removes none of the silence that the encoder put first, and a part's start says where its first sample really is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_DECODER_DELAY: Final = 529
"""Samples by which every MP3 decoder lags behind."""

_QUIET_FRAMES: Final = 7
"""A quarter of a second at 16 kHz: shorter quiet is inside a word."""

_SEARCHED: Final = 0.2
"""The share of a part, at its end, in which the quietest place is looked for."""

_SAMPLE_RATES: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_BIT_RATES: Final = {
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG1: Final = 3
_MONO: Final = 3
_GRANULE_FIELDS: Final = ((12, 0xFFF), (21, 0x1FF), (29, 0xFF))
"""Where the granule's length in bits, its number of large values and its gain end, in bits, and their masks."""


class Mp3PartsError(ValueError):
    """The bytes are no MP3 that can be cut."""


@dataclass(frozen=True, slots=True)
class Part:
    """A shorter MP3. `start` is the place of its first sample in the whole file's sound: the first is below zero."""

    start: float
    seconds: float
    data: bytes


@dataclass(frozen=True, slots=True)
class _Frame:
    offset: int
    size: int
    gain: int
    """`global_gain` of its first granule: how loud it may be."""


def cut_into_parts(data: bytes, longest_seconds: float) -> list[Part]:
    """Returns parts that are no longer than that. Raises Mp3PartsError."""
    frames, samples, rate, delay = _read_frames(data)
    seconds = samples / rate
    longest = int(longest_seconds / seconds) - 1
    if longest <= 2 * _QUIET_FRAMES:
        raise Mp3PartsError("the parts would be shorter than a word")
    parts = []
    begin = 0
    while begin < len(frames):
        end = _choose_end(frames, begin, longest)
        first = max(begin - 1, 0)
        bytes_ = data[frames[first].offset : frames[end - 1].offset + frames[end - 1].size]
        start = (first * samples - delay) / rate
        parts.append(Part(start, (end - first) * seconds, bytes_))
        begin = end
    return parts


def _choose_end(frames: Sequence[_Frame], begin: int, longest: int) -> int:
    """Returns the index after a part's last frame: of parts of nearly equal length, the quietest place."""
    remaining = len(frames) - begin
    if remaining <= longest:
        return len(frames)
    count = -(-remaining // longest)
    latest = min(begin + longest, begin + int(remaining / count * (1 + _SEARCHED / 2)))
    earliest = max(latest - int(longest * _SEARCHED), len(frames) - (count - 1) * longest, begin + 1)
    latest = max(latest, earliest)
    half = _QUIET_FRAMES // 2

    def loudness(at: int) -> int:
        return sum(frame.gain for frame in frames[max(at - half, 0) : at + half + 1])

    return min(range(latest, earliest - 1, -1), key=loudness)


def _read_frames(data: bytes) -> tuple[list[_Frame], int, int, int]:
    """Returns the frames of sound, the samples in each, the sample rate, and the samples before the sound begins."""
    at = _id3_bytes(data)
    frames: list[_Frame] = []
    samples = rate = 0
    delay = _DECODER_DELAY
    while at + 4 <= len(data):
        version, size, rate, side_bytes = _parse_header(data, at)
        if at + size > len(data):
            break
        samples = 1152 if version == _MPEG1 else 576
        tag = data[at + 4 + side_bytes :][:4]
        if not frames and tag in (b"Info", b"Xing"):
            delay += int.from_bytes(data[at + 4 + side_bytes + 141 :][:3], "big") >> 12
        else:
            frames.append(_Frame(at, size, _gain(data, at, version)))
        at += size
        if data[at : at + 3] == b"TAG":
            break
    if not frames:
        raise Mp3PartsError("it has no frames")
    return frames, samples, rate, delay


def _id3_bytes(data: bytes) -> int:
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    return 10 + ((data[6] & 0x7F) << 21 | (data[7] & 0x7F) << 14 | (data[8] & 0x7F) << 7 | data[9] & 0x7F)


def _parse_header(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Returns version, size in bytes, sample rate, and length of the side information of a mono or stereo frame."""
    head = data[at : at + 4]
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate_index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or layer != 1 or version == 1 or rate_index == 3:
        raise Mp3PartsError(f"there is no Layer III frame at byte {at}")
    if not 0 < bit_rate_index < 15:
        raise Mp3PartsError("its bit rate is unknown")
    rate = _SAMPLE_RATES[version][rate_index]
    bit_rate = _BIT_RATES[3 if version == _MPEG1 else 2][bit_rate_index - 1] * 1000
    size = (144 if version == _MPEG1 else 72) * bit_rate // rate + (head[2] >> 1 & 1)
    mono = head[3] >> 6 == _MONO
    side = (17 if mono else 32) if version == _MPEG1 else (9 if mono else 17)
    return version, size, rate, side


def _gain(data: bytes, at: int, version: int) -> int:
    """Returns `global_gain` of the first granule; 0 for digital silence, whose gain says nothing."""
    crc = 0 if data[at + 1] & 1 else 2
    side = int.from_bytes(data[at + 4 + crc : at + 4 + crc + 9], "big")
    mono = data[at + 3] >> 6 == _MONO
    private = (5 if mono else 3) + (4 if mono else 8) if version == _MPEG1 else (1 if mono else 2)
    side_bits = (9 if version == _MPEG1 else 8) + private
    main_bits, big_values, gain = (side >> (72 - side_bits - end) & mask for end, mask in _GRANULE_FIELDS)
    return gain if main_bits and big_values else 0
