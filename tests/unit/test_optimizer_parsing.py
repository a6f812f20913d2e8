"""Parsers: ffmpeg's progress and metadata, ffprobe's JSON, first bytes of files."""

import json
import struct
from array import array
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob.model.errors import InputError, JobCode
from whisperjob.model.phase import RawFormat
from whisperjob_optimizer import file_signatures, foreign_files, headers, probe
from whisperjob_optimizer.progress import parse_progress, read_rows, read_values


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("out_time_us=1500000\n", 1.5),
        ("out_time_us=-1\n", 0),
        ("out_time_us=N/A\n", None),
        ("out_time_ms=1500000\n", None),
        ("progress=end\n", None),
        ("", None),
    ],
)
def test_progress(line: str, seconds: float | None) -> None:
    assert parse_progress(line) == seconds


PRINTED = """frame:0    pts:0       pts_time:0
lavfi.astats.1.RMS_level=-20.5
lavfi.astats.2.RMS_level=-inf
frame:1    pts:100     pts_time:0.1
lavfi.astats.1.RMS_level=nonsense
lavfi.astats.2.RMS_level=-3
""".splitlines(keepends=True)


def test_metadata_as_rows_and_as_values() -> None:
    rows: list[dict[str, float]] = []
    read_rows(PRINTED, rows)
    assert [list(row.values()) for row in rows] == [[-20.5, float("-inf")], [-3]]
    values: array[float] = array("f")
    read_values(["frame:0 pts:0\n", "lavfi.r128.M=-20.5\n", "frame:1\n", "lavfi.r128.M=-21\n"], values)
    assert list(values) == [-20.5, -21]


def ffprobe_output(*streams: Mapping[str, object], **container: object) -> probe.ProbeOutput:
    found = {"format_name": "mov,mp4,m4a,3gp,3g2,mj2", "duration": "11.0", "probe_score": 100} | container
    text = {"format": found, "streams": streams, "program_version": {"version": "5.1.9"}}
    return probe.parse_output(json.dumps(text))


VIDEO = {"codec_type": "video", "codec_name": "h264"}
AUDIO = {
    "codec_type": "audio",
    "codec_name": "aac",
    "sample_rate": "48000",
    "channels": 2,
    "channel_layout": "stereo",
    "duration": "10.5",
}


def test_the_first_audio_stream_is_understood() -> None:
    found = probe.identify(ffprobe_output(VIDEO, AUDIO, AUDIO | {"channels": 6}), b"")
    assert (found.codec, found.sample_rate, found.channels, found.layout) == ("aac", 48_000, 2, "stereo")
    assert (found.declared_seconds, found.exact_seconds, found.ffmpeg_version) == (10.5, 10.5, "5.1.9")


def test_only_exact_containers_have_exact_lengths() -> None:
    estimated = probe.identify(ffprobe_output(AUDIO, format_name="aac"), b"")
    assert (estimated.declared_seconds, estimated.exact_seconds) == (10.5, None)
    stream = {k: v for k, v in AUDIO.items() if k != "duration"} | {"tags": {"DURATION": "00:01:02.500000000"}}
    tagged = probe.identify(ffprobe_output(stream, format_name="matroska,webm"), b"")
    assert (tagged.exact_seconds, tagged.exact_end_seconds) == (None, 62.5)


def packet(stream: int, seconds: str, skipped: int = 0) -> dict[str, object]:
    side_data = [{"side_data_type": "Skip Samples", "skip_samples": skipped}] if skipped else []
    return {"stream_index": stream, "pts_time": seconds, "side_data_list": side_data}


@pytest.mark.parametrize(
    ("packets", "begin"),
    [
        pytest.param([], None, id="nothing is known"),
        pytest.param([packet(1, "30.0")], None, id="the sound itself"),
        pytest.param([packet(0, "1.48"), packet(0, "1.4"), packet(1, "1.2")], 1.4, id="pictures out of order"),
        pytest.param([packet(2, "-0.021333", 1024), packet(1, "5.0")], 0.0, id="another track, without its priming"),
        pytest.param([packet(3, "0.0"), packet(4, "0.0"), packet(0, "N/A")], None, id="subtitles and a cover"),
    ],
)
def test_a_recording_begins_with_its_earliest_other_stream(
    packets: list[dict[str, object]], begin: float | None
) -> None:
    cover = VIDEO | {"index": 4, "disposition": {"attached_pic": 1}}
    subtitles: dict[str, object] = {"index": 3, "codec_type": "subtitle"}
    streams = (VIDEO | {"index": 0}, AUDIO | {"index": 1}, AUDIO | {"index": 2}, subtitles, cover)
    output = probe.ProbeOutput({"format_name": "mov,mp4"}, streams, tuple(packets), "")
    found = probe.identify(output, b"").begin_seconds
    assert found == (begin if begin is None else pytest.approx(begin, abs=1e-6))


VERDICTS = [
    pytest.param(probe.parse_output(""), b"", JobCode.NOT_MEDIA, id="ffprobe gave up"),
    pytest.param(probe.parse_output("nonsense"), b"", JobCode.NOT_MEDIA, id="no JSON"),
    pytest.param(ffprobe_output(VIDEO), b"", JobCode.NO_AUDIO, id="pictures alone"),
    pytest.param(ffprobe_output(format_name="srt"), b"", JobCode.NO_AUDIO, id="subtitles"),
    pytest.param(ffprobe_output(AUDIO | {"codec_name": "unknown"}), b"", JobCode.NOT_MEDIA, id="unknown codec"),
    pytest.param(ffprobe_output(AUDIO | {"sample_rate": "0"}), b"", JobCode.NOT_MEDIA, id="no sample rate"),
    pytest.param(ffprobe_output(AUDIO | {"channels": 0}), b"", JobCode.NOT_MEDIA, id="no channels"),
    pytest.param(probe.parse_output(""), b"\0\0\0\x20ftypaaxc", JobCode.ENCRYPTED, id="Audible"),
]


@pytest.mark.parametrize(("found", "head", "code"), VERDICTS)
def test_verdicts(found: probe.ProbeOutput, head: bytes, code: JobCode) -> None:
    with pytest.raises(InputError) as caught:
        probe.identify(found, head)
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("raw", "rate", "channels", "size", "seconds"),
    [
        (RawFormat.S16LE, 16_000, 1, 32_000, 1.0),
        (RawFormat.F64BE, 8000, 2, 128_000, 1.0),
        (RawFormat.MULAW, None, None, 16_000, 1.0),
        (RawFormat.U8, 44_100, 2, 44_100, 0.5),
    ],
)
def test_headerless_pcm(raw: RawFormat, rate: int | None, channels: int | None, size: int, seconds: float) -> None:
    assert probe.describe_headerless(raw, rate, channels, size, "5.1").declared_seconds == seconds


@pytest.mark.parametrize(
    ("promised", "decoded", "truncated"),
    [(100, 97.9, True), (100, 98.1, False), (1, 0.9, False), (1, 0.5, True), (None, 1, False), (100, 150, False)],
)
def test_truncation(promised: float | None, decoded: float, truncated: bool) -> None:
    assert probe.is_truncated(promised, decoded) is truncated


def wav(data_size: int, tag: int = 1) -> bytes:
    form = struct.pack("<HHIIHH", tag, 1, 16_000, 32_000, 2, 16)
    return (
        b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", data_size)
    )


PROBED = 4.5
HEADERS = [
    pytest.param(wav(320_000), 10.0, id="WAV"),
    *(
        pytest.param(wav(size), None, id=f"WAV that was streamed, {size:#x}")
        for size in (0, 0x7FFF_0000, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFD7, 0xFFFF_FFFF)
    ),
    pytest.param(wav(0xFFFF_FFD7, tag=0x55), None, id="WAV around MP3 that was streamed"),
    pytest.param(wav(320_000, tag=0x55), PROBED, id="WAV around MP3"),
    pytest.param(b".snd" + struct.pack(">IIIII", 24, 320_000, 3, 16_000, 1), 10.0, id="AU"),
    pytest.param(b".snd" + struct.pack(">IIIII", 24, 0xFFFF_FFFF, 3, 16_000, 1), None, id="AU that was streamed"),
    pytest.param(b"fLaC\0\0\0\x22" + bytes(10) + (16_000 << 44 | 160_000).to_bytes(8), 10.0, id="FLAC"),
    pytest.param(b"fLaC\0\0\0\x22" + bytes(10) + (16_000 << 44).to_bytes(8), PROBED, id="FLAC that was streamed"),
    pytest.param(b"OggS" + bytes(300), PROBED, id="Ogg counts nothing"),
    pytest.param(b"", PROBED, id="nothing"),
]


@pytest.mark.parametrize(("head", "seconds"), HEADERS)
def test_headers_that_count(head: bytes, seconds: float | None) -> None:
    assert headers.exact_seconds(head, PROBED) == seconds


@given(
    st.sampled_from(
        [b"", b"RIFF0000WAVE", b"FORM0000AIFF", b"fLaC", b".snd", b"caff\0\1\0\0", b"\xff\xfb\x90\x00", b"ID3"]
    ),
    st.binary(max_size=600),
)
def test_no_header_breaks_the_readers(start: bytes, rest: bytes) -> None:
    found = headers.exact_seconds(start + rest, None)
    assert found is None or found >= 0
    file_signatures.looks_encrypted(start + rest)
    file_signatures.is_playlist(start + rest)


@pytest.mark.parametrize(
    "head",
    [b"#EXTM3U\n", b"\xef\xbb\xbf#EXTM3U", b"\n\n ffconcat version 1.0", b"file 'x.wav'\n", b"<MPD>", b"v=0\r\no=x"],
)
def test_playlists(head: bytes) -> None:
    assert file_signatures.is_playlist(head)


@pytest.mark.parametrize(
    "head", [b"RIFF\0\0\0\0WAVE", b"ID3\3\0", b"Dear file owner,\n", b"OggS\0#EXTM3U", b"", b"version 1", b"#EXTRA\n"]
)
def test_what_is_no_playlist(head: bytes) -> None:
    assert not file_signatures.is_playlist(head)


@pytest.mark.parametrize("text", [b"<!--" * 2000, b"Dear all,\r\n" * 400, b"<?xml?>" + b"<!---->" * 9000])
def test_much_ascii_is_surely_text(text: bytes) -> None:
    assert foreign_files.is_surely_text(text)


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(b"UUUU" * 4000, id="silence in A-law"),
        pytest.param(b"\xff\x7f" * 4000, id="silence in µ-law"),
        pytest.param(b"abcd" * 2000 + b"\xd5", id="a byte that is none"),
        pytest.param(b"<html>" * 20, id="few bytes"),
        pytest.param(bytes(4000), id="zeros"),
    ],
)
def test_sound_without_a_header_is_not(sound: bytes) -> None:
    assert not foreign_files.is_surely_text(sound)
