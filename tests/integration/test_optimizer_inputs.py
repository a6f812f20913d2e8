"""What may come in: formats by content, streams of all kinds, and everything that is bad about bad input."""

import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from support.audio.media import ffmpeg, write_speech, write_speech_video
from support.audio.optimizing import optimized
from whisperjob.model.errors import InputError, JobCode, WarningCode
from whisperjob.model.phase import RawFormat
from whisperjob.model.protocol import WorkLimits

SECONDS = 6


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("voice") / "voice.wav", seconds=SECONDS)


def refused(source: Path, *, limits: WorkLimits | None = None, filename: str | None = None) -> InputError:
    """The verdict on a bad recording: one plain sentence."""
    with pytest.raises(InputError) as caught:
        optimized(source, limits=limits, filename=filename)
    message = caught.value.message
    assert message.endswith(".")
    assert "\n" not in message
    assert "/" not in message
    assert len(message) < 250
    assert list((source.parent / "out").iterdir()) == []
    return caught.value


def test_a_film_has_sound(tmp_path: Path) -> None:
    film = write_speech_video(tmp_path / "film.mp4", seconds=SECONDS)
    result = optimized(film)
    assert result.manifest.source.codec == "aac"
    assert result.manifest.source.declared_seconds == pytest.approx(SECONDS, abs=0.1)
    assert result.manifest.duration_seconds == pytest.approx(SECONDS, abs=0.1)


def test_the_first_audio_stream_counts(voice: Path, tmp_path: Path) -> None:
    source = tmp_path / "streams.mkv"
    two = ("-map", "0:v", "-map", "1:a", "-map", "2:a", "-t", "6")
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=size=160x120:rate=5", "-i", str(voice)),
        *("-f", "lavfi", "-i", "anullsrc=sample_rate=8000", *two, str(source)),
    )
    result = optimized(source)
    assert result.manifest.loudness_before.integrated_lufs is not None
    assert result.manifest.source.sample_rate == 48_000


def test_a_wrong_extension_harms_nothing(voice: Path, tmp_path: Path) -> None:
    for wrong in (
        "talk.g722",
        "talk.mp4",
        "talk",
        "talk.txt",
        "talk.m3u8",
        ".wav",
        "talk.wav/../../x",
        "\u2603.\u2603",
    ):
        source = tmp_path / "source"
        source.unlink(missing_ok=True)
        shutil.copyfile(voice, source)
        result = optimized(source, filename=wrong)
        assert result.manifest.source.container == "wav"
        assert result.manifest.duration_seconds == SECONDS


@pytest.mark.parametrize(
    ("extension", "options"),
    [("g722", ()), ("gsm", ("-ar", "8000")), ("sln", ("-f", "s16le")), ("ul", ("-f", "mulaw"))],
)
def test_headerless_formats_go_by_their_extension(
    extension: str, options: tuple[str, ...], voice: Path, tmp_path: Path
) -> None:
    source = tmp_path / f"call.{extension}"
    ffmpeg("-i", voice, "-ac", "1", "-ar", "8000" if extension != "g722" else "16000", *options, source)
    assert optimized(source).manifest.duration_seconds == pytest.approx(SECONDS, abs=0.05)


def test_headerless_pcm_goes_by_what_is_declared(voice: Path, tmp_path: Path) -> None:
    source = tmp_path / "samples.wav"
    ffmpeg("-i", voice, "-ac", "2", "-ar", "22050", "-f", "s24be", source)
    result = optimized(source, raw_format=RawFormat.S24BE, sample_rate=22_050, channels=2)
    assert result.manifest.duration_seconds == pytest.approx(SECONDS, abs=0.001)
    assert (result.manifest.source.container, result.manifest.source.codec) == ("s24be", "pcm_s24be")


def picture_only(path: Path, _: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=160x120:rate=5", "-t", "2", "-pix_fmt", "yuv420p", "-f", "mp4", path)


def subtitles(path: Path, _: Path) -> None:
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n00:00:03,000 --> 00:00:04,000\nWorld.\n")


def text(path: Path, _: Path) -> None:
    path.write_text("Dear committee,\n" * 500)


def archive(path: Path, voice: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.write(voice)


def noise(path: Path, _: Path) -> None:
    path.write_bytes(random.Random(7).randbytes(300_000))


def nothing(path: Path, _: Path) -> None:
    path.touch()


def header_alone(path: Path, voice: Path) -> None:
    ffmpeg("-i", voice, "-t", "0", "-f", "wav", path)


def encrypted(*options: str) -> Callable[[Path, Path], None]:
    """Common Encryption, as ffmpeg's muxers of the MP4 family write it."""

    def make(path: Path, voice: Path) -> None:
        key = ("-encryption_key", "00112233445566778899aabbccddeeff", "-encryption_kid", "0" * 32)
        film = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=5:duration=1")
        ffmpeg("-i", voice, *film, "-encryption_scheme", "cenc-aes-ctr", *key, "-c:a", "aac", *options, path)

    return make


def scrambled(path: Path, voice: Path) -> None:
    """MPEG-TS whose sound is scrambled, and says so in its packets, as broadcasts are."""
    ffmpeg("-i", voice, "-c:a", "aac", "-f", "mpegts", path)
    data, chance = bytearray(path.read_bytes()), random.Random(7)
    for at in range(0, len(data), 188):
        if int.from_bytes(data[at + 1 : at + 3]) & 0x1FFF == 0x100:
            payload = at + 4 + (data[at + 4] + 1 if data[at + 3] & 0x20 else 0)
            data[at + 3] |= 0x80
            data[payload : at + 188] = chance.randbytes(at + 188 - payload)
    path.write_bytes(data)


def hls_segment(path: Path, voice: Path) -> None:
    """AES-128 over the whole file: by itself it is random bytes, only the playlist knows better."""
    key, playlist = path.with_name("key"), path.with_name("list.m3u8")
    key.write_bytes(bytes(range(16)))
    key_info = path.with_name("key-info")
    key_info.write_text(f"{key}\n{key}\n")
    ffmpeg("-i", voice, "-c:a", "aac", "-f", "hls", "-hls_time", "60", "-hls_key_info_file", key_info, playlist)
    path.with_name("list0.ts").rename(path)


def index_lost(path: Path, voice: Path) -> None:
    """An MP4 whose end, with the index, never arrived."""
    ffmpeg("-i", voice, "-f", "mp4", path)
    path.write_bytes(path.read_bytes()[:20_000])


def picture(path: Path, _: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=160x120", "-frames:v", "1", "-f", "image2", "-c:v", "png", path)


BAD = {
    "video without sound": (picture_only, "clip.mp4", JobCode.NO_AUDIO),
    "subtitles alone": (subtitles, "talk.srt", JobCode.NO_AUDIO),
    "text": (text, "talk.txt", JobCode.NOT_MEDIA),
    "text called mp3": (text, "talk.mp3", JobCode.NOT_MEDIA),
    "text called mp4": (text, "talk.mp4", JobCode.NOT_MEDIA),
    "zip": (archive, "talk.zip", JobCode.NOT_MEDIA),
    "zip called m4a": (archive, "talk.m4a", JobCode.NOT_MEDIA),
    "random bytes": (noise, "talk.bin", JobCode.NOT_MEDIA),
    "random bytes called mp3": (noise, "talk.mp3", JobCode.NOT_MEDIA),
    "random bytes called aac": (noise, "talk.aac", JobCode.NOT_MEDIA),
    "a picture": (picture, "talk.png", JobCode.NOT_MEDIA),
    "no bytes": (nothing, "talk.wav", JobCode.EMPTY_INPUT),
    "a header and no sound": (header_alone, "talk.wav", JobCode.EMPTY_INPUT),
    "encrypted MP4": (encrypted("-vn", "-f", "mp4"), "talk.m4a", JobCode.ENCRYPTED),
    "encrypted MOV": (encrypted("-vn", "-f", "mov"), "talk.mov", JobCode.ENCRYPTED),
    "encrypted fragments": (encrypted("-vn", "-f", "mp4", "-movflags", "+dash"), "talk.mp4", JobCode.ENCRYPTED),
    "encrypted Smooth Streaming": (encrypted("-vn", "-f", "ismv"), "talk.ismv", JobCode.ENCRYPTED),
    "encrypted film": (encrypted("-c:v", "mpeg4", "-f", "mp4"), "film.mp4", JobCode.ENCRYPTED),
    "scrambled MPEG-TS": (scrambled, "talk.ts", JobCode.ENCRYPTED),
    "encrypted HLS segment": (hls_segment, "talk.ts", JobCode.NOT_MEDIA),
    "MP4 without its index": (index_lost, "talk.m4a", JobCode.NOT_MEDIA),
}


@pytest.mark.parametrize(("make", "filename", "code"), BAD.values(), ids=BAD)
def test_bad_input_is_named(
    make: Callable[[Path, Path], None], filename: str, code: JobCode, voice: Path, tmp_path: Path
) -> None:
    source = tmp_path / "upload"
    make(source, voice)
    assert refused(source, filename=filename).code is code


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    "HLS after a byte order mark": "\ufeff#EXTM3U\n#EXTINF:10,\n{secret}\n",
    "concat": "ffconcat version 1.0\nfile {secret}\n",
    "concat without its mark": "# list\nfile '{secret}'\nfile '{secret}'\n",
    "DASH": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{secret}</BaseURL></MPD>\n',
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "PLS": "[playlist]\nFile1={secret}\nNumberOfEntries=1\n",
    "ASX": '<asx version="3.0"><entry><ref href="{secret}"/></entry></asx>\n',
    "SMIL": '<smil><body><audio src="{secret}"/></body></smil>\n',
    "XSPF": '<?xml version="1.0"?><playlist version="1"><trackList/></playlist>\n',
}


@pytest.mark.parametrize("content", PLAYLISTS.values(), ids=PLAYLISTS)
@pytest.mark.parametrize("name", ["talk.mp4", "talk.m3u8", "talk.wav"])
def test_playlists_are_refused_and_touch_no_file(content: str, name: str, voice: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.wav"
    shutil.copyfile(voice, secret)
    os.utime(secret, ns=(1, 1))  # a read would move the access time forward
    source = tmp_path / "upload"
    source.write_text(content.format(secret=secret), encoding="utf-8")
    assert refused(source, filename=name).code is JobCode.PLAYLIST_REFUSED
    assert secret.stat().st_atime_ns == 1


TRUNCATED_FORMATS = ["wav", "flac", "mp3", "aiff", "w64", "mka", "caf", "tta", "wv", "au"]


@pytest.mark.parametrize("extension", TRUNCATED_FORMATS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_cut_short_completes_with_a_warning(extension: str, share: float, voice: Path, tmp_path: Path) -> None:
    whole = tmp_path / f"whole.{extension}"
    ffmpeg("-i", voice, whole)
    data = whole.read_bytes()
    source = tmp_path / f"talk.{extension}"
    source.write_bytes(data[: int(len(data) * share)])
    result = optimized(source)
    assert result.manifest.warnings == (WarningCode.INPUT_TRUNCATED,)
    assert SECONDS * share - 1.1 < result.manifest.duration_seconds < SECONDS * share + 0.2  # TTA's frames last 1.04 s


def test_a_film_cut_short_completes_with_a_warning(tmp_path: Path) -> None:
    whole = write_speech_video(tmp_path / "whole.mp4", seconds=SECONDS, options=("-movflags", "+faststart"))
    source = tmp_path / "film.mp4"
    source.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    result = optimized(source)
    assert result.manifest.warnings == (WarningCode.INPUT_TRUNCATED,)


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3", "m4a", "ogg", "opus", "mka", "aiff", "ac3", "aac"])
def test_a_whole_file_has_no_warning(extension: str, voice: Path, tmp_path: Path) -> None:
    source = tmp_path / f"talk.{extension}"
    ffmpeg("-i", voice, source)
    result = optimized(source)
    assert result.manifest.warnings == ()
    assert result.manifest.duration_seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Much time in few bytes."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.flac"
    silence = "anullsrc=sample_rate=8000:channel_layout=mono"
    ffmpeg("-f", "lavfi", "-i", silence, "-t", "12000", "-frame_size", "32768", path)
    assert path.stat().st_size < 1_000_000
    return path


def test_a_small_file_may_hold_too_much_time(bomb: Path) -> None:
    error = refused(bomb, limits=WorkLimits(max_duration_seconds=1800))
    assert error.code is JobCode.DURATION_LIMIT
    assert "0.5 hours" in error.message


def test_scratch_space_is_limited(bomb: Path) -> None:
    assert refused(bomb, limits=WorkLimits(max_scratch_bytes=5_000_000)).code is JobCode.DISK_LIMIT


def test_time_is_limited(bomb: Path) -> None:
    assert refused(bomb, limits=WorkLimits(run_seconds=1)).code is JobCode.RUN_DEADLINE
