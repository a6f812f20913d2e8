"""How long a recording is by its own header's count of samples or frames, read without ffmpeg.

ffmpeg corrects some of these by the file's size, which hides that a file was cut short. Pure; None where the header
does not count.
"""

from collections.abc import Iterator


def promised_seconds(head: bytes) -> float | None:
    """From the first bytes of a WAV, AIFF, FLAC or MP3 file."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _wav(head)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(head)
    if head[:4] == b"fLaC":
        return _flac(head)
    return _mp3(head)


def _riff_chunks(head: bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """(name, size as declared, where its data begins)"""
    at = 12
    while at + 8 <= len(head):
        size = int.from_bytes(head[at + 4 : at + 8], "little" if order == "little" else "big")
        yield head[at : at + 4], size, at + 8
        at += 8 + size + (size & 1)


def _wav(head: bytes) -> float | None:
    rate = 0
    long_size: int | None = None
    for name, size, at in _riff_chunks(head, "little"):
        if name == b"ds64":
            long_size = int.from_bytes(head[at + 8 : at + 16], "little")
        elif name == b"fmt ":
            rate = int.from_bytes(head[at + 8 : at + 12], "little")  # bytes a second, exact for PCM
            if int.from_bytes(head[at : at + 2], "little") not in (1, 3, 6, 7, 0xFFFE):
                return None
        elif name == b"data":
            if size == 0xFFFF_FFFF and long_size is not None:
                size = long_size
            return size / rate if rate and 0 < size < 0xFFFF_FF00 * 2**16 and size != 0xFFFF_FFFF else None
    return None


def _aiff(head: bytes) -> float | None:
    for name, _, at in _riff_chunks(head, "big"):
        if name == b"COMM" and at + 18 <= len(head):
            frames = int.from_bytes(head[at + 2 : at + 6])
            exponent = (int.from_bytes(head[at + 8 : at + 10]) & 0x7FFF) - 16383 - 63
            rate = float(int.from_bytes(head[at + 10 : at + 18])) * 2.0**exponent if -200 < exponent < 200 else 0.0
            return frames / rate if rate and frames else None
    return None


def _flac(head: bytes) -> float | None:
    packed = int.from_bytes(head[18:26])
    rate, samples = packed >> 44, packed & ((1 << 36) - 1)
    return samples / rate if rate and samples else None


_MPEG_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mp3(head: bytes) -> float | None:
    """The frame count of a Xing or Info frame."""
    at = 0
    if head[:3] == b"ID3" and len(head) > 10:
        at = 10 + ((head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | (head[9] & 127))
    frame = head[at : at + 200]
    if len(frame) < 200 or frame[0] != 0xFF or frame[1] & 0xE6 != 0xE2:
        return None
    version, rate_index, mono = frame[1] >> 3 & 3, frame[2] >> 2 & 3, frame[3] >> 6 == 3
    if version == 1 or rate_index == 3:
        return None
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    tag = frame[4 + side :]
    if tag[:4] not in (b"Xing", b"Info") or not int.from_bytes(tag[4:8]) & 1:
        return None
    return int.from_bytes(tag[8:12]) * (1152 if version == 3 else 576) / _MPEG_RATES[version][rate_index]
