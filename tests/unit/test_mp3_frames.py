"""MP3 arithmetic, on frames built here; decoding what it makes is test_mp3_cutting's business."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whisperjob.model.mp3 import (
    DECODER_DELAY,
    INFO_FIELDS_BYTES,
    CutPlan,
    FrameHeader,
    Mp3Error,
    counted_seconds,
    crc16,
    cut,
    frames_for,
    id3v2_bytes,
    parse_header,
    parse_info,
    plan_cut,
    rewritten_info,
    with_samples,
)

OURS = bytes.fromhex("fff388c4")
"""MPEG-2 Layer III, 64 kbps, 16 kHz, mono: 288 bytes, 576 samples."""


def music_frame(number: int) -> bytes:
    return OURS + number.to_bytes(4, "big") + bytes(280)


def info_frame(frames: int, padding: int, delay: int = 576) -> bytes:
    tag = bytearray(INFO_FIELDS_BYTES)
    tag[:8] = b"Info" + (15).to_bytes(4, "big")
    tag[8:12] = frames.to_bytes(4, "big")
    tag[12:16] = ((frames + 1) * 288).to_bytes(4, "big")
    tag[120:129] = b"Lavc59.37"
    tag[141:144] = (delay << 12 | padding).to_bytes(3, "big")
    return (OURS + bytes(9) + tag).ljust(288, b"\0")


def mp3(samples: int) -> bytes:
    """A file of so many samples whose frames are numbered."""
    frames = frames_for(samples, 576)
    return info_frame(frames, frames * 576 - 576 - samples) + b"".join(music_frame(n) for n in range(frames))


def plain_crc16(data: bytes) -> int:
    """By the definition: bit after bit."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


@pytest.mark.parametrize(
    ("header", "parsed"),
    [
        ("fff388c4", FrameHeader(16_000, 64_000, 1, 576, 288, 9, padded=False, protected=False)),
        ("fffb9064", FrameHeader(44_100, 128_000, 2, 1152, 417, 32, padded=False, protected=False)),
        ("fffb9264", FrameHeader(44_100, 128_000, 2, 1152, 418, 32, padded=True, protected=False)),
        ("fffa90c4", FrameHeader(44_100, 128_000, 1, 1152, 417, 17, padded=False, protected=True)),
        ("ffe318c4", FrameHeader(8_000, 8_000, 1, 576, 72, 9, padded=False, protected=False)),
    ],
)
def test_headers_are_read(header: str, parsed: FrameHeader) -> None:
    assert parse_header(bytes.fromhex(header) + b"more") == parsed


@pytest.mark.parametrize("data", ["", "fff388", "00f388c4", "fffd88c4", "fff308c4", "fff3f8c4", "fff38cc4", "ffeb88c4"])
def test_what_is_no_header_is_refused(data: str) -> None:
    with pytest.raises(Mp3Error):
        parse_header(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        pytest.param(info_frame(1000, 600), 36.0, id="all fields"),
        pytest.param(info_frame(1000, 600).replace(b"Info\0\0\0\x0f", b"Xing\0\0\0\x01"), 36.0, id="frames alone"),
        pytest.param(b"ID3\x04\0\0\0\0\x01\0" + bytes(128) + info_frame(1000, 600), 36.0, id="after a tag"),
        pytest.param(info_frame(1000, 600).replace(b"Info\0\0\0\x0f", b"Info\0\0\0\x0e"), None, id="no frames"),
        pytest.param(info_frame(1000, 600)[:24], None, id="cut short"),
        pytest.param(music_frame(0), None, id="no Info frame"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_the_info_frame_counts_the_length(head: bytes, seconds: float | None) -> None:
    assert counted_seconds(head) == seconds


@settings(max_examples=25)
@given(st.binary(max_size=100), st.integers(0, 2))
def test_the_folded_checksum_is_the_checksum(data: bytes, periods: int) -> None:
    long = data + bytes([1, 2, 3]) * (periods * 32_767 // 3)
    assert crc16(long) == plain_crc16(long)


def test_the_checksum_is_crc16_arc() -> None:
    assert crc16(b"123456789") == 0xBB3D
    assert crc16(b"") == 0


@given(st.integers(1, 10**8))
def test_the_padding_always_covers_the_decoders_delay(samples: int) -> None:
    frames = frames_for(samples, 576)
    padding = frames * 576 - 576 - samples
    assert DECODER_DELAY <= padding < DECODER_DELAY + 576


@given(st.integers(1, 40_000), st.data())
def test_a_cut_keeps_the_first_frames_and_says_what_they_are(samples: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, samples))
    short = cut(mp3(samples), length)
    info = parse_info(short)
    assert len(short) == info.size_bytes == (info.frames + 1) * 288
    assert info.frames * 576 - info.delay - info.padding == length
    assert short[288:] == mp3(samples)[288 : len(short)]
    tag = 13
    assert int.from_bytes(short[tag + 148 : tag + 152], "big") == len(short)
    assert int.from_bytes(short[tag + 152 : tag + 154], "big") == plain_crc16(short[288:])
    assert int.from_bytes(short[tag + 154 : tag + 156], "big") == plain_crc16(short[: tag + 154])
    assert short[tag + 120 : tag + 129] == b"Lavc59.37"


def test_cutting_where_it_ends_changes_nothing_but_checksums() -> None:
    whole = mp3(16_000)
    again = cut(whole, 16_000)
    assert parse_info(again) == parse_info(whole)
    assert len(again) == len(whole)


def test_a_cut_needs_no_more_than_it_says() -> None:
    whole = mp3(16_000)
    plan = plan_cut(whole[:288], 5000)
    assert cut(whole[: plan.end_offset], 5000) == cut(whole, 5000)
    with pytest.raises(Mp3Error, match="ends before the cut"):
        cut(whole[: plan.end_offset - 1], 5000)


def test_a_tag_in_front_is_left_behind() -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    assert id3v2_bytes(tag) == len(tag)
    assert cut(tag + mp3(16_000), 5000) == cut(mp3(16_000), 5000)


@pytest.mark.parametrize(
    ("data", "samples"),
    [
        pytest.param(mp3(5000), 0, id="nothing left"),
        pytest.param(mp3(5000), 10_000, id="longer than it is"),
        pytest.param(mp3(5000)[:200], 100, id="half an Info frame"),
        pytest.param(music_frame(0) * 10, 100, id="no Info frame"),
        pytest.param(mp3(5000)[:288] + bytes(5000), 100, id="no music"),
        pytest.param(b"", 100, id="empty"),
        pytest.param(b"RIFF" + bytes(5000), 100, id="a WAV"),
    ],
)
def test_what_cannot_be_cut_is_refused(data: bytes, samples: int) -> None:
    with pytest.raises(Mp3Error):
        cut(data, samples)


def test_frames_of_changing_size_are_refused() -> None:
    header = bytes.fromhex("fffb9064")
    frame = bytearray(header + bytes(32) + info_frame(10, 600)[13 : 13 + INFO_FIELDS_BYTES]).ljust(417, b"\0")
    with pytest.raises(Mp3Error, match="one size"):
        plan_cut(bytes(frame), 100)


def test_the_rest_of_the_info_frame_is_kept() -> None:
    frame = bytearray(info_frame(10, 600))
    frame[29:129] = bytes(range(100))  # the seek table: of a constant bit rate it is the same for every length
    new = rewritten_info(bytes(frame), CutPlan(0, 288, 288 * 3, 3, 700), 0x1234)
    changed = {offset for offset in range(288) if frame[offset] != new[offset]}
    assert changed <= {*range(21, 29), *range(154, 157), *range(161, 169)}
    assert parse_info(new).padding == 700


@given(samples=st.integers(1, 41_000_000))
def test_the_info_frame_can_be_made_exact(samples: int) -> None:
    frames = -(-(samples + 576) // 576) + 1
    new = with_samples(info_frame(frames, 600), samples)
    info = parse_info(new)
    assert (info.frames, info.frames * 576 - info.delay - info.padding) == (frames, samples)


@pytest.mark.parametrize("samples", [10**9, 1])
def test_frames_that_cannot_hold_the_samples_are_told(samples: int) -> None:
    with pytest.raises(Mp3Error, match="cannot hold"):
        with_samples(info_frame(1000, 600), samples)
