"""What real files bring along: cover art, chapters, variable frames, odd rates, many channels. Sound comes through."""

from array import array
from pathlib import Path

import pytest

from support.audio.format_matrix import SECONDS, Recipe
from support.audio.media import decode, ffmpeg
from support.audio.tones import process, tone_share
from whisperjob.model.manifest import SAMPLE_RATE

TONE = ("-f", "lavfi", "-i", f"sine=frequency=440:duration={SECONDS}:sample_rate=48000,volume=12dB")
COVER = ("-f", "lavfi", "-i", "testsrc=size=300x300:rate=1:duration=1")
CHAPTERS = ";FFMETADATA1\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1\nSTART={start}\nEND={start + 2}\ntitle=At {start}\n" for start in (0, 2)
)
ART = ("-map", "0:a", "-map", "1:v", "-frames:v", "1", "-disposition:v", "attached_pic")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        pytest.param("cover.mp3", (*TONE, *COVER, *ART, "-c:v", "mjpeg", "-id3v2_version", "3"), id="cover-mp3"),
        pytest.param("cover.m4a", (*TONE, *COVER, *ART, "-c:v", "mjpeg"), id="cover-m4a"),
        pytest.param("cover.flac", (*TONE, *COVER, *ART, "-c:v", "png"), id="cover-flac"),
        pytest.param("book.m4b", (*TONE, "-i", "chapters.txt", "-map_chapters", "1", "-f", "ipod"), id="chapters"),
        pytest.param("vbr.mp3", (*TONE, "-q:a", "4"), id="variable-mp3"),
        pytest.param("vbr.opus", (*TONE, "-c:a", "libopus", "-vbr", "on", "-frame_duration", "60"), id="variable-opus"),
        pytest.param("slow.wav", (*TONE, "-ar", "6000"), id="6-khz"),
        pytest.param("odd.wav", (*TONE, "-ar", "11025"), id="11025-hz"),
        pytest.param("odd.flac", (*TONE, "-ar", "37800"), id="37800-hz"),
        pytest.param("high.flac", (*TONE, "-ar", "192000", "-sample_fmt", "s32"), id="192-khz-24-bit"),
        pytest.param("surround.ac3", (*TONE, "-af", "pan=5.1|FC=c0"), id="5.1-centre-only"),
        pytest.param("surround.flac", (*TONE, "-af", "pan=7.1|SL=c0"), id="7.1-side-only"),
        pytest.param("right.wav", (*TONE, "-af", "pan=stereo|FR=c0"), id="right-only"),
        pytest.param(
            "late.mkv", ("-f", "lavfi", "-i", "color=s=64x64:d=4", *TONE, "-map", "0", "-map", "1"), id="sound-second"
        ),
    ],
)
def test_it_comes_through(
    name: str, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("chapters.txt").write_text(CHAPTERS)
    made = tmp_path / name
    ffmpeg(*arguments, made)
    manifest = process(made, Recipe("", made.suffix[1:]), tmp_path)
    assert manifest.duration_seconds == pytest.approx(SECONDS, abs=0.2)
    assert manifest.warnings == ()
    assert tone_share(tmp_path / "out" / manifest.chunks[0].filename) > 0.9


class TestTimeline:
    """Times in the result are times of the recording, so that subtitles fit the picture."""

    def test_a_gap_is_filled(self, tmp_path: Path) -> None:
        made = tmp_path / "muted.mka"
        ffmpeg("-f", "lavfi", "-i", "sine=duration=10", "-af", "aselect='not(between(t,4,6))'", "-c:a", "libopus", made)
        manifest = process(made, Recipe("", "mka"), tmp_path)
        assert manifest.duration_seconds == pytest.approx(10, abs=0.1)
        sound = decode(tmp_path / "out" / manifest.chunks[0].filename)
        assert loudest(sound, 4.2, 5.8) < 0.01 < loudest(sound, 6.2, 9.8)

    @pytest.mark.parametrize("container", ["mkv", "mp4", "mov", "ts"])
    def test_sound_that_begins_late_stays_late(self, container: str, tmp_path: Path) -> None:
        made = tmp_path / f"late.{container}"
        picture = ("-f", "lavfi", "-i", "testsrc=size=64x64:duration=6.5")
        ffmpeg("-itsoffset", "2.5", *TONE, *picture, "-map", "1", "-map", "0", "-pix_fmt", "yuv420p", made)
        manifest = process(made, Recipe("", container), tmp_path)
        assert manifest.duration_seconds == pytest.approx(6.5, abs=0.1)
        assert manifest.warnings == ()
        sound = decode(tmp_path / "out" / manifest.chunks[0].filename)
        assert loudest(sound, 0, 2.4) < 0.01 < loudest(sound, 2.6, 6.4)


def loudest(sound: "array[float]", begin: float, end: float) -> float:
    return max(abs(sample) for sample in sound[int(begin * SAMPLE_RATE) : int(end * SAMPLE_RATE)])
