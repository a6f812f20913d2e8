"""Recordings with several audio tracks, as real files: which one is heard, and what the manifest says of the others."""

from pathlib import Path
from typing import Any

import pytest

from support.audio.media import ffmpeg, integrated_lufs
from support.audio.optimizing import Optimized, optimized
from support.audio.tones import tone_share
from support.audio.track_files import SILENCE_HZ, ToneTrack, write_tracks
from whisperjob.model.errors import InputError, JobCode, WarningCode
from whisperjob.model.manifest import TrackReason
from whisperjob.model.phase import Profile

LOW, HIGH = 440, 1100
QUIET = -40.0
LEFT_OUT = (WarningCode.TRACKS_LEFT_OUT,)


def heard(result: Optimized, hz: int) -> bool:
    """Whether a tone is most of what is heard."""
    return tone_share(result.chunks[0], hz) > 0.8


def used(result: Optimized) -> list[int]:
    return [track.index for track in result.manifest.tracks if track.used]


def reasons(result: Optimized) -> list[TrackReason | None]:
    return [track.reason for track in result.manifest.tracks]


AUTO = {
    "OBS: the first is silent": ("mkv", [ToneTrack(SILENCE_HZ, marks="default"), ToneTrack(LOW)], 1),
    "all but the last are silent": ("mkv", [ToneTrack(SILENCE_HZ)] * 3 + [ToneTrack(LOW)], 3),
    "the default flag on the second": ("mkv", [ToneTrack(HIGH), ToneTrack(LOW, marks="default")], 1),
    "the flag outweighs loudness": ("mkv", [ToneTrack(HIGH), ToneTrack(LOW, QUIET, marks="default")], 1),
    "loudness": ("mkv", [ToneTrack(HIGH, QUIET), ToneTrack(LOW)], 1),
    "order": ("mkv", [ToneTrack(LOW), ToneTrack(HIGH)], 0),
    "commentary last": ("mkv", [ToneTrack(HIGH, marks="comment"), ToneTrack(LOW, QUIET)], 1),
    "audio description last": ("mkv", [ToneTrack(HIGH, marks="visual_impaired"), ToneTrack(LOW, QUIET)], 1),
    "mp4": ("mp4", [ToneTrack(HIGH), ToneTrack(LOW, marks="default")], 1),
    "mov, PCM": ("mov", [ToneTrack(SILENCE_HZ, marks="default"), ToneTrack(LOW)], 1),
    "MPEG-TS": ("ts", [ToneTrack(SILENCE_HZ, codec="mp2"), ToneTrack(LOW, codec="mp2")], 1),
    "Ogg": ("ogg", [ToneTrack(SILENCE_HZ, codec="flac"), ToneTrack(LOW, codec="flac")], 1),
    "WebM": ("webm", [ToneTrack(HIGH, QUIET, codec="libopus"), ToneTrack(LOW, codec="libopus")], 1),
    "AVI": ("avi", [ToneTrack(SILENCE_HZ), ToneTrack(LOW)], 1),
    "NUT": ("nut", [ToneTrack(SILENCE_HZ), ToneTrack(LOW)], 1),
    "16 tracks": ("mkv", [ToneTrack(SILENCE_HZ)] * 11 + [ToneTrack(LOW)] + [ToneTrack(SILENCE_HZ)] * 4, 11),
}


@pytest.mark.parametrize(("extension", "tracks", "expected"), AUTO.values(), ids=AUTO)
def test_the_right_track_is_heard(extension: str, tracks: list[ToneTrack], expected: int, tmp_path: Path) -> None:
    source = write_tracks(tmp_path / f"talk.{extension}", *tracks)
    result = optimized(source, profile=Profile.NONE)
    assert used(result) == [expected]
    assert heard(result, LOW)
    assert len(result.manifest.tracks) == len(tracks)
    assert result.manifest.duration_seconds == pytest.approx(6, abs=0.2)


def test_one_track_is_used_without_a_word(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "talk.mkv", ToneTrack(LOW, language="eng", title="Studio", channels=2))
    manifest = optimized(source).manifest
    assert manifest.warnings == ()
    [track] = manifest.tracks
    assert (track.index, track.codec, track.language, track.title) == (0, "vorbis", "eng", "Studio")
    assert (track.channels, track.used, track.reason) == (2, True, None)


LANGUAGES = {
    "two letters": ("de", ["eng", "ger"], 1),
    "three letters": ("deu", ["eng", "ger"], 1),
    "a name": ("german", ["eng", "deu"], 1),
    "none is marked": ("de", [None, None], 0),
    "undetermined comes before another": ("de", ["eng", "und"], 1),
    "no track in it": ("fr", ["eng", "ger"], 0),
}


@pytest.mark.parametrize(("language", "tags", "expected"), LANGUAGES.values(), ids=LANGUAGES)
def test_the_language_of_the_request_decides(
    language: str, tags: list[str | None], expected: int, tmp_path: Path
) -> None:
    source = write_tracks(tmp_path / "talk.mkv", *(ToneTrack(LOW, language=tag) for tag in tags))
    result = optimized(source, language=language)
    assert used(result) == [expected]
    assert result.manifest.warnings == LEFT_OUT


CHOICES = {"index": ("1", 1), "language": ("ger", 1), "name": ("English", 0), "index of the quiet one": ("2", 2)}


@pytest.mark.parametrize(("choice", "expected"), CHOICES.values(), ids=CHOICES)
def test_a_track_may_be_chosen(choice: str, expected: int, tmp_path: Path) -> None:
    source = write_tracks(
        tmp_path / "film.mp4",
        ToneTrack(HIGH, language="eng", marks="default"),
        ToneTrack(LOW, language="deu"),
        ToneTrack(700, QUIET),
    )
    result = optimized(source, track=choice, profile=Profile.NONE)
    assert used(result) == [expected]
    assert heard(result, (HIGH, LOW, 700)[expected])
    assert reasons(result) == [None if i == expected else TrackReason.NOT_CHOSEN for i in range(3)]


def test_a_chosen_silent_track_stays_chosen(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "talk.mkv", ToneTrack(LOW), ToneTrack(SILENCE_HZ))
    result = optimized(source, track="1")
    assert used(result) == [1]
    assert set(result.manifest.warnings) == {WarningCode.SILENT, WarningCode.TRACKS_LEFT_OUT}


def test_silent_tracks_alone_are_silence(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "talk.mkv", *[ToneTrack(SILENCE_HZ)] * 3)
    result = optimized(source)
    assert (used(result), result.manifest.warnings) == ([0], (WarningCode.SILENT,))
    assert reasons(result) == [None, TrackReason.SILENT, TrackReason.SILENT]


@pytest.mark.parametrize(("choice", "part"), [("2", "no track 2"), ("ja", "marked as ja"), ("loudest", "neither")])
def test_a_track_that_does_not_exist_is_refused(choice: str, part: str, tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "talk.mkv", ToneTrack(LOW, language="eng"), ToneTrack(LOW, title="Room"))
    with pytest.raises(InputError) as caught:
        optimized(source, track=choice)
    assert caught.value.code is JobCode.TRACK_UNAVAILABLE
    assert part in caught.value.message
    assert "0 (vorbis, eng), 1 (vorbis, “Room”)" in caught.value.message


@pytest.mark.parametrize(("extension", "codec"), [("mov", "pcm_s16le"), ("mp4", "aac"), ("mkv", "flac"), ("ts", "mp2")])
def test_a_mix_has_every_track(extension: str, codec: str, tmp_path: Path) -> None:
    """As a camera writes it: a microphone on each of two tracks."""
    source = write_tracks(tmp_path / f"talk.{extension}", ToneTrack(LOW, codec=codec), ToneTrack(HIGH, codec=codec))
    result = optimized(source, track="mix", profile=Profile.NONE)
    assert (used(result), result.manifest.warnings) == ([0, 1], ())
    for hz in (LOW, HIGH):
        assert tone_share(result.chunks[0], hz) == pytest.approx(0.5, abs=0.05)


def test_a_mix_leaves_levels_and_times_as_they_are(tmp_path: Path) -> None:
    source = write_tracks(
        tmp_path / "talk.mkv",
        ToneTrack(LOW, -20, codec="flac"),
        ToneTrack(SILENCE_HZ, codec="flac"),
        ToneTrack(HIGH, -20, codec="flac", begin=3),
        options=("-f", "matroska"),
    )
    result = optimized(source, track="mix", profile=Profile.NONE)
    assert reasons(result) == [None, TrackReason.SILENT, None]
    assert result.manifest.duration_seconds == pytest.approx(6, abs=0.1)
    assert tone_share(result.chunks[0], LOW, end=2.9) > 0.95
    assert tone_share(result.chunks[0], HIGH, start=3.1) == pytest.approx(0.5, abs=0.05)


def test_a_mix_with_one_sounding_track_is_that_track(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "talk.mkv", ToneTrack(SILENCE_HZ), ToneTrack(LOW), ToneTrack(SILENCE_HZ))
    mixed = optimized(source, track="mix", profile=Profile.NONE)
    level = integrated_lufs(mixed.chunks[0])
    assert heard(mixed, LOW)
    alone = optimized(source, track="1", profile=Profile.NONE)
    assert level == pytest.approx(integrated_lufs(alone.chunks[0]), abs=0.1)


def test_a_first_track_without_packets_is_skipped(tmp_path: Path) -> None:
    empty = ToneTrack(HIGH, codec="flac", empty=True, marks="default")
    source = write_tracks(tmp_path / "talk.mkv", empty, ToneTrack(LOW, codec="flac"))
    result = optimized(source, profile=Profile.NONE)
    assert heard(result, LOW)
    assert (reasons(result), result.manifest.warnings) == ([TrackReason.EMPTY, None], ())
    assert used(optimized(source, track="mix")) == [1]


def test_a_first_track_in_an_unknown_codec_is_skipped(tmp_path: Path) -> None:
    """As a phone records spatial sound: a track that hardly anything decodes beside one that everything does."""
    source = write_tracks(
        tmp_path / "talk.mov", ToneTrack(HIGH, codec="pcm_s16le", marks="default"), ToneTrack(LOW, codec="aac")
    )
    data = source.read_bytes()
    assert data.count(b"sowt") == 1
    source.write_bytes(data.replace(b"sowt", b"apac"))
    result = optimized(source, profile=Profile.NONE)
    assert heard(result, LOW)
    assert (reasons(result), result.manifest.warnings) == ([TrackReason.UNDECODABLE, None], LEFT_OUT)
    with pytest.raises(InputError, match=r"Track 0 cannot be decoded\.") as caught:
        optimized(source, track="0")
    assert caught.value.code is JobCode.TRACK_UNAVAILABLE


def test_a_track_whose_decoder_fails_hides_no_other(tmp_path: Path) -> None:
    """With one decoder that cannot be opened, ffmpeg gives up on all tracks that it is asked for."""
    tones = [ToneTrack(hz, level, codec="pcm_s16le") for hz, level in ((700, -12), (HIGH, QUIET), (LOW, -12))]
    source = write_tracks(tmp_path / "talk.mov", *tones)
    source.write_bytes(source.read_bytes().replace(b"sowt", b"Opus", 1))
    result = optimized(source, profile=Profile.NONE, track=None)
    assert heard(result, LOW)
    assert reasons(result)[1:] == [TrackReason.NOT_CHOSEN, None]
    assert result.manifest.warnings == LEFT_OUT


def test_silent_tracks_are_left_out_without_a_word(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "screen.mkv", ToneTrack(LOW, marks="default"), *[ToneTrack(SILENCE_HZ)] * 5)
    manifest = optimized(source).manifest
    assert [track.reason for track in manifest.tracks] == [None, *[TrackReason.SILENT] * 5]
    assert manifest.warnings == ()


def test_pictures_and_data_are_no_tracks(tmp_path: Path) -> None:
    sound = write_tracks(tmp_path / "sound.m4a", ToneTrack(LOW))
    cover = tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=160x120", "-frames:v", "1", cover)
    source = tmp_path / "talk.mov"
    film = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=6")
    ffmpeg(
        *("-i", cover, *film, "-i", sound, "-map", "1:v", "-map", "2:a", "-map", "0:v", "-timecode", "01:00:00:00"),
        *("-c:v:0", "mpeg4", "-c:v:1", "png", "-disposition:v:1", "attached_pic", source),
    )
    result = optimized(source)
    assert (len(result.manifest.tracks), result.manifest.warnings) == (1, ())
    assert used(result) == [0]


def test_headerless_sound_has_one_track(tmp_path: Path) -> None:
    source = tmp_path / "talk.pcm"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-f", "s16le", source)
    raw: dict[str, Any] = {"raw_format": "s16le", "sample_rate": 44_100, "channels": 1}
    for choice in ("0", "auto", "mix"):
        assert used(optimized(source, track=choice, **raw)) == [0]
    with pytest.raises(InputError, match="The file has no track 1"):
        optimized(source, track="1", **raw)
