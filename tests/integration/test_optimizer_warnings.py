"""Warnings that can be trusted: each says what is odd about a recording, and a recording without oddities has none."""

import math
import struct
from array import array
from pathlib import Path

import pytest

from support.audio.clicks import CLICK_TIMES, click_times
from support.audio.media import decode, ffmpeg, integrated_lufs
from support.audio.optimizing import optimized
from whisperjob.model.errors import InputError, WarningCode
from whisperjob.model.phase import Profile

SECONDS = 6
RATE = 48_000
TONE = f"0.1*sin(2*PI*440*t):s={RATE}:d={SECONDS}"


def write_float_wav(path: Path, samples: "array[float]", channels: int = 1) -> Path:
    frame = channels * samples.itemsize
    form = struct.pack("<HHIIHH", 3, channels, RATE, RATE * frame, frame, 8 * samples.itemsize)
    data = samples.tobytes()
    head = struct.pack("<4sI4s4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16)
    path.write_bytes(head + form + struct.pack("<4sI", b"data", len(data)) + data)
    return path


def levels(mp3: Path) -> list[float]:
    """The loudest sample of each second."""
    samples = decode(mp3)
    return [max(map(abs, samples[at : at + 16_000])) for at in range(0, SECONDS * 16_000, 16_000)]


class TestSamplesThatAreNoNumbers:
    @pytest.mark.parametrize("profile", [Profile.FULL, Profile.NONE])
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e30, -1e38, 1e10, 1e6])
    def test_one_costs_a_moment_and_not_the_recording(self, value: float, profile: Profile, tmp_path: Path) -> None:
        samples = array("f", (0.1 * math.sin(2 * math.pi * 440 * i / RATE) for i in range(SECONDS * RATE)))
        samples[RATE * 2 + RATE // 2] = value
        result = optimized(write_float_wav(tmp_path / "talk.wav", samples), profile=profile)
        assert result.manifest.warnings == (WarningCode.INVALID_SAMPLES,)
        heard = levels(result.chunks[0])
        assert min(heard) > 0.8 * max(heard) > 0.05

    def test_double_precision(self, tmp_path: Path) -> None:
        samples = array("d", (0.1 * math.sin(2 * math.pi * 440 * i / RATE) for i in range(SECONDS * RATE)))
        samples[RATE * 2] = 1e300
        result = optimized(write_float_wav(tmp_path / "talk.wav", samples))
        assert result.manifest.warnings == (WarningCode.INVALID_SAMPLES,)
        assert integrated_lufs(result.chunks[0]) == pytest.approx(-16, abs=1)

    def test_in_one_channel(self, tmp_path: Path) -> None:
        frames = ((0.1 * math.sin(2 * math.pi * 440 * i / RATE), math.nan) for i in range(SECONDS * RATE))
        samples = array("f", (value for frame in frames for value in frame))
        samples[1::2] = array("f", [0.0]) * (SECONDS * RATE)
        samples[RATE * 5 + 1] = math.nan
        result = optimized(write_float_wav(tmp_path / "talk.wav", samples, channels=2))
        assert result.manifest.warnings == (WarningCode.INVALID_SAMPLES,)
        assert integrated_lufs(result.chunks[0]) == pytest.approx(-16, abs=1)

    @pytest.mark.parametrize("value", [math.nan, math.inf])
    def test_one_channel_without_a_number_leaves_the_other(self, value: float, tmp_path: Path) -> None:
        samples = array("f", [value]) * (2 * SECONDS * RATE)
        samples[::2] = array("f", (0.1 * math.sin(2 * math.pi * 440 * i / RATE) for i in range(SECONDS * RATE)))
        result = optimized(write_float_wav(tmp_path / "talk.wav", samples, channels=2))
        assert result.manifest.warnings == (WarningCode.INVALID_SAMPLES,)
        heard = levels(result.chunks[0])
        assert min(heard) > 0.8 * max(heard) > 0.05

    def test_one_does_not_hide_the_phase_of_what_follows(self, tmp_path: Path) -> None:
        samples = array("f", [0.0]) * (2 * SECONDS * RATE)
        for i in range(SECONDS * RATE):
            samples[2 * i + i // (RATE * SECONDS // 2)] = 0.1 * math.sin(2 * math.pi * 440 * i / RATE)
        samples[2 * 2500 + 1] = math.nan
        result = optimized(write_float_wav(tmp_path / "talk.wav", samples, channels=2))
        assert WarningCode.INVALID_SAMPLES in result.manifest.warnings
        assert WarningCode.OPPOSITE_PHASE not in result.manifest.warnings
        heard = levels(result.chunks[0])
        assert min(heard) > 0.8 * max(heard) > 0.05

    @pytest.mark.parametrize("scale", [2.0**15, 2.0**31])
    def test_floats_in_the_range_of_integers_are_sound(self, scale: float, tmp_path: Path) -> None:
        samples = array("f", (0.1 * scale * math.sin(2 * math.pi * 440 * i / RATE) for i in range(SECONDS * RATE)))
        result = optimized(write_float_wav(tmp_path / "talk.wav", samples))
        assert result.manifest.warnings == ()
        assert integrated_lufs(result.chunks[0]) == pytest.approx(-16, abs=1)


@pytest.mark.parametrize(
    ("left", "right", "warnings"),
    [
        pytest.param("0.1*sin(2*PI*440*t)+0.3", "0.1*sin(2*PI*440*t)-0.3", (), id="offset"),
        pytest.param(
            "0.05*sin(2*PI*440*t)+0.5*sin(2*PI*50*t)", "0.05*sin(2*PI*440*t)-0.5*sin(2*PI*50*t)", (), id="hum of 50 Hz"
        ),
        pytest.param(
            "0.05*sin(2*PI*440*t)+0.5*sin(2*PI*60*t)", "0.05*sin(2*PI*440*t)-0.5*sin(2*PI*60*t)", (), id="hum of 60 Hz"
        ),
        pytest.param(
            "0.05*sin(2*PI*440*t)+0.5*sin(2*PI*50*t)",
            "-0.05*sin(2*PI*440*t)+0.5*sin(2*PI*50*t)",
            (WarningCode.OPPOSITE_PHASE,),
            id="the voice, with hum in phase",
        ),
    ],
)
def test_phase_is_judged_by_speech(left: str, right: str, warnings: tuple[WarningCode, ...], tmp_path: Path) -> None:
    source = tmp_path / "talk.wav"
    ffmpeg("-f", "lavfi", "-i", f"aevalsrc={left}|{right}:s={RATE}:d={SECONDS}", source)
    result = optimized(source)
    assert result.manifest.warnings == warnings
    samples = decode(result.chunks[0])
    turn = 2 * math.pi * 440 / 16_000
    voice = math.hypot(
        sum(sample * math.sin(turn * i) for i, sample in enumerate(samples)),
        sum(sample * math.cos(turn * i) for i, sample in enumerate(samples)),
    )
    assert 2 * (voice / len(samples)) ** 2 > 0.8 * sum(sample * sample for sample in samples) / len(samples)


class TestTruncation:
    @pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le", "adpcm_ima_wav", "pcm_mulaw"])
    @pytest.mark.parametrize("size", [0, 0x7FFF_FFFF, 0x7FFF_F000, 0x8000_0000, 0xFFFF_FFD7, 0xFFFF_FFFF])
    def test_a_wav_that_was_streamed_is_whole(self, size: int, codec: str, tmp_path: Path) -> None:
        source = tmp_path / "talk.wav"
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={TONE}", "-c:a", codec, "-fflags", "+bitexact", source)
        data = bytearray(source.read_bytes())
        at = data.index(b"data") + 4
        data[at : at + 4] = struct.pack("<I", size)
        data[4:8] = struct.pack("<I", min(size + 36, 0xFFFF_FFFF))
        source.write_bytes(data)
        result = optimized(source)
        assert result.manifest.warnings == ()
        assert result.manifest.duration_seconds == pytest.approx(SECONDS, abs=0.1)

    @pytest.mark.parametrize("extension", ["mkv", "mp4", "mov", "ts"])
    def test_sound_that_begins_late_is_whole(self, extension: str, tmp_path: Path) -> None:
        source = tmp_path / f"late.{extension}"
        picture = ("-f", "lavfi", "-i", f"testsrc=size=64x64:rate=5:duration={SECONDS + 75}")
        sound = ("-itsoffset", "75", "-f", "lavfi", "-i", f"aevalsrc={TONE}")
        ffmpeg(*picture, *sound, "-c:v", "mpeg4", "-c:a", "aac", source)
        result = optimized(source)
        assert result.manifest.warnings == ()
        assert result.manifest.duration_seconds == pytest.approx(SECONDS + 75, abs=0.1)

    def test_fragments_of_a_live_stream_begin_anywhere(self, tmp_path: Path) -> None:
        folder, source = tmp_path / "hls", tmp_path / "talk.mp4"
        folder.mkdir()
        fragments = ("-f", "hls", "-hls_time", "1", "-hls_segment_type", "fmp4", "-hls_list_size", "0")
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={TONE}", "-c:a", "aac", *fragments, folder / "s.m3u8")
        last = sorted(folder.glob("*.m4s"))[2:]
        source.write_bytes(b"".join(file.read_bytes() for file in (folder / "init.mp4", *last)))
        assert optimized(source).manifest.warnings == ()
        source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
        assert optimized(source).manifest.warnings == (WarningCode.INPUT_TRUNCATED,)


class TestSecondRecording:
    @pytest.mark.parametrize("extension", ["wav", "aiff", "caf", "w64", "mp4", "mov", "m4a", "flv", "wmv"])
    def test_sound_that_is_left_out_is_told(self, extension: str, tmp_path: Path) -> None:
        one, source = tmp_path / f"one.{extension}", tmp_path / f"two.{extension}"
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={TONE.replace(str(RATE), '44100')}", one)
        source.write_bytes(one.read_bytes() * 2)
        assert optimized(one).manifest.warnings == ()
        assert optimized(source).manifest.warnings == (WarningCode.SECOND_RECORDING,)

    @pytest.mark.parametrize(("count", "warned"), [(2, False), (3, True)])
    def test_ffmpeg_reads_two_of_matroska(self, count: int, warned: bool, tmp_path: Path) -> None:
        one, source = tmp_path / "one.mkv", tmp_path / "more.mkv"
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={TONE}", "-c:a", "libopus", one)
        source.write_bytes(one.read_bytes() * count)
        result = optimized(source)
        assert (WarningCode.SECOND_RECORDING in result.manifest.warnings) is warned
        assert result.manifest.duration_seconds == pytest.approx(2 * SECONDS, abs=0.1)

    def test_all_of_matroska_without_sizes_is_read(self, tmp_path: Path) -> None:
        one, source = tmp_path / "one.webm", tmp_path / "more.webm"
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={TONE}", "-c:a", "libopus", "-live", "1", one)
        source.write_bytes(one.read_bytes() * 4)
        result = optimized(source)
        assert result.manifest.warnings == (WarningCode.TIMESTAMP_DISCONTINUITY,)
        assert result.manifest.duration_seconds == pytest.approx(4 * SECONDS, abs=0.1)

    def test_fragments_that_begin_again(self, tmp_path: Path) -> None:
        one, source = tmp_path / "one.mp4", tmp_path / "two.mp4"
        fragments = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={TONE}", "-c:a", "aac", *fragments, one)
        source.write_bytes(one.read_bytes() * 2)
        assert optimized(one).manifest.warnings == ()
        assert optimized(source).manifest.warnings == (WarningCode.SECOND_RECORDING,)

    @pytest.mark.parametrize("extension", ["mp3", "flac", "aac", "avi", "au"])
    def test_where_both_are_read_nothing_is_told(self, extension: str, tmp_path: Path) -> None:
        one, source = tmp_path / f"one.{extension}", tmp_path / f"two.{extension}"
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={TONE}", one)
        source.write_bytes(one.read_bytes() * 2)
        result = optimized(source)
        assert result.manifest.warnings == ()
        assert result.manifest.duration_seconds == pytest.approx(2 * SECONDS, abs=0.3)  # FLAC loses a frame there


def test_a_gap_that_cannot_be_true_is_bounded_and_told(tmp_path: Path) -> None:
    source = tmp_path / "short.mka"
    clicks = "aevalsrc='0.7*sin(2*PI*1000*t)*lt(mod(t+0.5,1),0.004)':s=48000:d=10"
    ffmpeg("-f", "lavfi", "-i", f"{clicks},asetpts='if(gte(T,4),PTS+82800/TB,PTS)'", "-c:a", "libopus", source)
    assert source.stat().st_size < 100_000
    result = optimized(source)
    assert result.manifest.warnings == (WarningCode.TIMESTAMP_DISCONTINUITY,)
    assert click_times(result.chunks[0]) == pytest.approx(CLICK_TIMES, abs=0.02)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("1a45dfa301fffffffffffffe", id="Matroska"),
        pytest.param("3026b2758e66cf11a6d900aa0062ce6cffffffffffffffff", id="ASF"),
        pytest.param("726966662e91cf11a5d628db04c10000ffffffffffffff7f", id="W64"),
        pytest.param("0000001866747970" + "4d344120" * 4 + "000000016d6461747fffffffffffffff", id="MP4"),
        pytest.param("636166660001000064657363" + "7fffffffffffffff", id="CAF"),
    ],
)
def test_a_size_that_no_file_can_have_is_the_files_fault(head: str, tmp_path: Path) -> None:
    source = tmp_path / "talk"
    source.write_bytes(bytes.fromhex(head) + bytes(1000))
    with pytest.raises(InputError):
        optimized(source)
