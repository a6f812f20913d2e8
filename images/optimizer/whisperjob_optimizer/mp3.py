"""The arithmetic of our MP3s: CBR 64 kbit/s at 16 kHz mono, one frame = 576 samples = 288 bytes, no padding.

Pure. The Info frame that LAME writes first carries delay and padding, by which decoders give back the exact samples.
"""

from dataclasses import dataclass

from whisperjob.model.manifest import BIT_RATE, SAMPLE_RATE

FRAME_SAMPLES = 576
FRAME_BYTES = FRAME_SAMPLES // 8 * BIT_RATE // SAMPLE_RATE
_OVERHEAD_FRAMES = 4
"""The Info frame, and what delay and padding of encoder and decoder may add (measured: 2 to 3 in all)."""

_INFO_AT = 4 + 9
_DELAY_AT = _INFO_AT + 8 + 4 + 4 + 100 + 4 + 21
_CHECK_AT = _DELAY_AT + 13
_CHECKED_BYTES = 190


@dataclass(frozen=True, slots=True)
class Info:
    """What an MP3 says about itself; `samples` is what a gapless decoder returns."""

    frames: int
    size_bytes: int
    delay: int
    padding: int

    @property
    def samples(self) -> int:
        return self.frames * FRAME_SAMPLES - self.delay - self.padding


def with_samples(head: bytes, samples: int) -> bytes:
    """The Info frame `head` begins with, made to promise exactly `samples`.

    ffmpeg notes at most one frame's worth of padding where LAME needed more, so that one chunk in twelve would decode
    to up to 46 samples too many. Raises ValueError if there is no Info frame, or no padding that would do.
    """
    info = parse_info(head)
    if info is None:
        raise ValueError("no Info frame")
    padding = info.frames * FRAME_SAMPLES - info.delay - samples
    if not 0 <= padding < 4096:
        raise ValueError(f"{info.frames} frames cannot hold {samples} samples")
    frame = bytearray(head[:FRAME_BYTES])
    frame[_DELAY_AT : _DELAY_AT + 3] = (info.delay << 12 | padding).to_bytes(3)
    frame[_CHECK_AT : _CHECK_AT + 2] = bytes(2)
    frame[_CHECK_AT : _CHECK_AT + 2] = _crc16(frame[:_CHECKED_BYTES]).to_bytes(2)
    return bytes(frame)


def _crc16(data: bytes | bytearray) -> int:
    """CRC-16/ARC, as LAME's tag has it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def max_samples(max_bytes: int) -> int:
    """How many samples surely fit into an MP3 of so many bytes, headers included."""
    return max(0, max_bytes // FRAME_BYTES - _OVERHEAD_FRAMES) * FRAME_SAMPLES


def parse_info(head: bytes) -> Info | None:
    """Reads the Info frame at the beginning of an MP3 of ours, None if there is none."""
    if head[:2] not in (b"\xff\xf3", b"\xff\xf2") or head[_INFO_AT : _INFO_AT + 4] not in (b"Info", b"Xing"):
        return None
    if int.from_bytes(head[_INFO_AT + 4 : _INFO_AT + 8]) != 0x0F or len(head) < _DELAY_AT + 3:
        return None
    gaps = int.from_bytes(head[_DELAY_AT : _DELAY_AT + 3])
    return Info(
        frames=int.from_bytes(head[_INFO_AT + 8 : _INFO_AT + 12]),
        size_bytes=int.from_bytes(head[_INFO_AT + 12 : _INFO_AT + 16]),
        delay=gaps >> 12,
        padding=gaps & 0xFFF,
    )
