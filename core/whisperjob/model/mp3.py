"""MP3 frames and the Info frame before them: pure arithmetic on bytes, no decoding.

An MP3 encoder puts silence before and after the sound. The Info frame (also called Xing or LAME tag) says how much, and
a gapless decoder removes it again. To cut a file at a frame boundary therefore means to copy the frames, and to write
an Info frame whose padding reaches back to the wanted sample. Cutting the tail is safe: a frame borrows bits from
frames before it, never from later ones.

Layout of the tag after the frame header and the side information, offsets from its first byte:

    0 "Info"/"Xing"  4 flags  8 frames  12 bytes  16 seek table (100)  116 quality  120 encoder (9)
    129 revision … 141 delay and padding (12 bits each)  144 …  148 music length  152 music CRC  154 tag CRC

Only MP3s with all four flags and the encoder part can be cut, such as the optimizer's; `counted_seconds` needs no more
than the number of frames. A cut below 47 samples (3 ms) puts both gaps into one frame, and ffmpeg 5.1 then does not
remove the first one.
"""

from dataclasses import dataclass

Data = bytes | bytearray

DECODER_DELAY = 529
"""Samples by which every MP3 decoder lags behind: 528 of the filter bank and one more."""

DEFAULT_ENCODER_DELAY = 576
"""Samples that libmp3lame writes before the sound."""

INFO_FIELDS_BYTES = 156
"""Length of the tag, its own CRC included."""

_FRAMES_FIELD, _ALL_FIELDS = 0x01, 0x0F
"""Flags of the fields that a tag has."""

_TAG_NAMES = (b"Info", b"Xing")
_FLAGS_AT, _FRAMES_AT, _BYTES_AT, _DELAY_AT, _MUSIC_LENGTH_AT, _MUSIC_CRC_AT, _TAG_CRC_AT = 4, 8, 12, 141, 148, 152, 154
_MAX_PADDING = 0xFFF
_MAX_FRAME_BYTES = 1441

_BIT_RATES_MPEG1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BIT_RATES_MPEG2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLE_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MPEG1 = 3
_LOWEST_MPEG1_RATE = 32_000
_LAYER_III = 1
_MONO = 3

_CRC_PERIOD_BYTES = 32_767
"""x has the order 32767 modulo the CRC's polynomial (x + 1)(x^15 + x + 1): bytes so far apart weigh the same."""


class Mp3Error(ValueError):
    """The bytes are not an MP3, or not one of the expected kind."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The first four bytes of a Layer III frame."""

    sample_rate: int
    bit_rate: int
    channels: int
    samples: int
    size_bytes: int
    side_info_bytes: int
    padded: bool
    protected: bool

    @property
    def tag_offset(self) -> int:
        """The place of an Info tag in the frame; players look there whether the frame has a CRC or not."""
        return 4 + self.side_info_bytes


@dataclass(frozen=True, slots=True)
class InfoTag:
    """The content of an Info frame: `frames` without itself, `size_bytes` with it, delay and padding in samples."""

    frames: int
    size_bytes: int
    delay: int
    padding: int


@dataclass(frozen=True, slots=True)
class CutPlan:
    """How to shorten an MP3: its Info frame is replaced, and `music_bytes` after `music_offset` follow unchanged."""

    info_offset: int
    music_offset: int
    music_bytes: int
    frames: int
    padding: int

    @property
    def end_offset(self) -> int:
        """The number of bytes that must be read of the file."""
        return self.music_offset + self.music_bytes

    @property
    def size_bytes(self) -> int:
        """The size of the shorter MP3."""
        return self.music_offset - self.info_offset + self.music_bytes


def frame_samples(sample_rate: int) -> int:
    """Returns the number of samples in a frame."""
    return 1152 if sample_rate >= _LOWEST_MPEG1_RATE else 576


def frame_bytes(bit_rate: int, sample_rate: int) -> int:
    """Returns the size of a frame without a padding byte."""
    return frame_samples(sample_rate) // 8 * bit_rate // sample_rate


def parse_header(data: Data) -> FrameHeader:
    """Reads the header that `data` begins with. Raises Mp3Error if it is not that of a Layer III frame."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        raise Mp3Error("no frame begins here")
    version, layer = data[1] >> 3 & 3, data[1] >> 1 & 3
    bit_rate_index, sample_rate_index = data[2] >> 4, data[2] >> 2 & 3
    if version not in _SAMPLE_RATES or layer != _LAYER_III or not 0 < bit_rate_index < 15 or sample_rate_index == 3:
        raise Mp3Error("not a Layer III frame of a known bit rate")
    mpeg1 = version == _MPEG1
    sample_rate = _SAMPLE_RATES[version][sample_rate_index]
    bit_rate = (_BIT_RATES_MPEG1 if mpeg1 else _BIT_RATES_MPEG2)[bit_rate_index - 1] * 1000
    samples = frame_samples(sample_rate)
    padded = bool(data[2] & 2)
    mono = data[3] >> 6 == _MONO
    return FrameHeader(
        sample_rate=sample_rate,
        bit_rate=bit_rate,
        channels=1 if mono else 2,
        samples=samples,
        size_bytes=frame_bytes(bit_rate, sample_rate) + padded,
        side_info_bytes=(17 if mono else 32) if mpeg1 else (9 if mono else 17),
        padded=padded,
        protected=not data[1] & 1,
    )


def id3v2_bytes(head: Data) -> int:
    """Returns the length of the ID3v2 tag that a file begins with, 0 if there is none."""
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = (head[6] & 0x7F) << 21 | (head[7] & 0x7F) << 14 | (head[8] & 0x7F) << 7 | (head[9] & 0x7F)
    footer = 10 if head[5] & 0x10 else 0
    return 10 + size + footer


def parse_info(frame: Data) -> InfoTag:
    """Reads the Info frame that begins with `frame`'s first byte. Raises Mp3Error."""
    header = parse_header(frame)
    at = header.tag_offset
    tag = frame[at : at + INFO_FIELDS_BYTES]
    if len(tag) < INFO_FIELDS_BYTES or at + INFO_FIELDS_BYTES > header.size_bytes:
        raise Mp3Error("the first frame is too short for an Info tag")
    if tag[:4] not in _TAG_NAMES or _number(tag, _FLAGS_AT, 4) & _ALL_FIELDS != _ALL_FIELDS:
        raise Mp3Error("the first frame is no complete Info frame")
    gaps = _number(tag, _DELAY_AT, 3)
    return InfoTag(
        frames=_number(tag, _FRAMES_AT, 4),
        size_bytes=_number(tag, _BYTES_AT, 4),
        delay=gaps >> 12,
        padding=gaps & _MAX_PADDING,
    )


def counted_seconds(head: Data) -> float | None:
    """Returns the length of an MP3 by its Info frame's count of frames; None if no Info frame counts them.

    `head` is the beginning of the file, with any tags before the first frame.
    """
    frame = head[id3v2_bytes(head) :][:_MAX_FRAME_BYTES]
    try:
        header = parse_header(frame)
    except Mp3Error:
        return None
    tag = frame[header.tag_offset : header.tag_offset + _BYTES_AT]
    if len(tag) < _BYTES_AT or tag[:4] not in _TAG_NAMES or not _number(tag, _FLAGS_AT, 4) & _FRAMES_FIELD:
        return None
    return _number(tag, _FRAMES_AT, 4) * header.samples / header.sample_rate


def frames_for(samples: int, samples_per_frame: int, delay: int = DEFAULT_ENCODER_DELAY) -> int:
    """Returns the fewest frames that give a gapless decoder `samples`; the padding covers the decoder's own delay."""
    return -(-(delay + samples + DECODER_DELAY) // samples_per_frame)


def plan_cut(head: Data, samples: int) -> CutPlan:
    """Plans how to shorten a constant-bit-rate MP3 to its first `samples` samples.

    `head` must hold the file's whole Info frame. Raises Mp3Error if it does not, or if the file is shorter than that.
    """
    if samples < 1:
        raise Mp3Error("nothing would be left")
    info_offset = id3v2_bytes(head)
    frame = head[info_offset : info_offset + _MAX_FRAME_BYTES]
    header, info = parse_header(frame), parse_info(frame)
    if header.samples // 8 * header.bit_rate % header.sample_rate or header.padded:
        raise Mp3Error("its frames are not all of one size")
    frames = frames_for(samples, header.samples, info.delay)
    if frames > info.frames:
        raise Mp3Error("the recording is shorter than the cut")
    return CutPlan(
        info_offset=info_offset,
        music_offset=info_offset + header.size_bytes,
        music_bytes=frames * header.size_bytes,
        frames=frames,
        padding=frames * header.samples - info.delay - samples,
    )


def cut(data: Data, samples: int) -> bytes:
    """Returns the first `samples` samples of an MP3 as an MP3: its frames unchanged, under a correct Info frame.

    `data` may end early, but not before what `plan_cut` says is needed. Raises Mp3Error.
    """
    plan = plan_cut(data, samples)
    music = memoryview(data)[plan.music_offset : plan.end_offset]
    if len(music) != plan.music_bytes:
        raise Mp3Error("the file ends before the cut")
    if bytes(music[:2]) != data[plan.info_offset : plan.info_offset + 2]:
        raise Mp3Error("no frame follows the Info frame")
    info = rewritten_info(bytes(data[plan.info_offset : plan.music_offset]), plan, crc16(music))
    return b"".join((info, music))


def rewritten_info(frame: bytes, plan: CutPlan, music_crc: int) -> bytes:
    """Returns the Info frame of the shorter MP3; encoder, delay and all other fields are unchanged."""
    return _with_fields(
        frame,
        {
            (_FRAMES_AT, 4): plan.frames,
            (_BYTES_AT, 4): plan.size_bytes,
            (_DELAY_AT, 3): parse_info(frame).delay << 12 | plan.padding,
            (_MUSIC_LENGTH_AT, 4): plan.size_bytes,
            (_MUSIC_CRC_AT, 2): music_crc,
        },
    )


def with_samples(frame: bytes, samples: int) -> bytes:
    """Returns the Info frame with a padding that leaves exactly `samples`.

    ffmpeg writes at most one frame's worth of padding where LAME needed more, so that one file in twelve would decode
    to up to 46 samples too many. Raises Mp3Error if no padding would do.
    """
    info = parse_info(frame)
    padding = info.frames * parse_header(frame).samples - info.delay - samples
    if not 0 <= padding <= _MAX_PADDING:
        raise Mp3Error(f"{info.frames} frames cannot hold {samples} samples")
    return _with_fields(frame, {(_DELAY_AT, 3): info.delay << 12 | padding})


def _with_fields(frame: bytes, fields: dict[tuple[int, int], int]) -> bytes:
    """Returns the frame with values written at (offset in the tag, width), and the tag's CRC computed again."""
    at = parse_header(frame).tag_offset
    new = bytearray(frame)
    for (offset, width), value in fields.items():
        new[at + offset : at + offset + width] = value.to_bytes(width, "big")
    new[at + _TAG_CRC_AT : at + _TAG_CRC_AT + 2] = crc16(new[: at + _TAG_CRC_AT]).to_bytes(2, "big")
    return bytes(new)


def crc16(data: Data | memoryview) -> int:
    """Computes CRC-16/ARC (polynomial 0x8005 reflected, start 0), which the tag has of itself and of the music.

    The data are first folded by exclusive or onto one period of the polynomial: megabytes take milliseconds then.
    """
    first = len(data) % _CRC_PERIOD_BYTES
    folded = int.from_bytes(data[:first], "big")
    for start in range(first, len(data), _CRC_PERIOD_BYTES):
        folded ^= int.from_bytes(data[start : start + _CRC_PERIOD_BYTES], "big")
    crc = 0
    for byte in folded.to_bytes(min(len(data), _CRC_PERIOD_BYTES), "big"):
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def _number(data: Data, offset: int, width: int) -> int:
    return int.from_bytes(data[offset : offset + width], "big")


_CRC_TABLE = _crc_table()
