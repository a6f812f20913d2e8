"""Recordings with a person on each channel: treated apart, on one timeline, or offered to be."""

from pathlib import Path

import pytest

from support.audio.conversation import conversation
from support.audio.media import ffmpeg, integrated_lufs, write_speech
from support.audio.optimizing import optimized
from support.audio.tones import tone_share
from support.audio.track_files import SILENCE_HZ, ToneTrack, write_tracks
from whisperjob.model.errors import WarningCode
from whisperjob.model.phase import Profile
from whisperjob.model.timeline import from_channels
from whisperjob_client.transcript.channels import speaker_of
from whisperjob_client.transcript.transcript_model import Speakers, SpeakerSegment, Word
from whisperjob_client.transcript.word_speakers import assign_speakers

CALL = (
    "[0]asplit[one][two];"
    "[one]volume='if(lt(mod(t,10),5),1,{crosstalk})':eval=frame[left];"
    "[two]volume='if(lt(mod(t,10),5),{crosstalk},{second})':eval=frame[right];"
    "[left][right]join=inputs=2:channel_layout=stereo"
)
"""Two people speak for five seconds each in turns, one on each channel."""


def write_call(path: Path, *, seconds: float = 40, crosstalk: float = 0.0, second: float = 1.0) -> Path:
    voice = write_speech(path.with_name("voice.wav"), seconds=seconds, channels=1, noise=0.0001, rate=16_000)
    ffmpeg("-i", voice, "-filter_complex", CALL.format(crosstalk=crosstalk, second=second), path)
    return path


def test_each_channel_is_treated_apart_on_one_timeline(tmp_path: Path) -> None:
    source = write_call(tmp_path / "call.wav", second=0.03)
    manifest = (result := optimized(source, multichannel=True)).manifest
    assert [(chunk.channel, chunk.start_sample, chunk.samples) for chunk in manifest.chunks] == [
        (0, 0, 640_000),
        (1, 0, 640_000),
    ]
    assert manifest.samples == 640_000
    for chunk in result.chunks:
        assert integrated_lufs(chunk) == pytest.approx(-16, abs=1), "both people are equally loud"
    assert manifest.warnings == ()


@pytest.mark.parametrize("crosstalk", [0.0, 0.05])
def test_the_timeline_needs_no_model(crosstalk: float, tmp_path: Path) -> None:
    source = write_call(tmp_path / "call.wav", crosstalk=crosstalk, second=0.5)
    manifest = optimized(source, multichannel=True).manifest
    assert manifest.channel_activity is not None
    timeline = from_channels(manifest.channel_activity, manifest.duration_seconds)
    assert set(timeline.speakers) == {"CHANNEL_00", "CHANNEL_01"}
    right = wrong = 0.0
    for turn in timeline.exclusive:
        for tenth in range(round(turn.start * 10), round(turn.end * 10)):
            expected = "CHANNEL_00" if tenth % 100 < 50 else "CHANNEL_01"
            right, wrong = right + (turn.speaker == expected), wrong + (turn.speaker != expected)
    assert right > 200
    assert wrong / right < 0.06, "a turn's end is wrong by a tenth or two"


@pytest.mark.parametrize(
    ("crosstalk", "options", "expected"),
    [
        pytest.param(0.0, {}, (WarningCode.SEPARATE_CHANNELS,), id="offered"),
        pytest.param(0.05, {}, (WarningCode.SEPARATE_CHANNELS,), id="offered in spite of crosstalk"),
        pytest.param(0.0, {"multichannel": True}, (), id="accepted"),
        pytest.param(0.7, {}, (), id="stereo of one room"),
    ],
)
def test_a_call_is_recognised(
    crosstalk: float, options: dict[str, object], expected: tuple[WarningCode, ...], tmp_path: Path
) -> None:
    source = write_call(tmp_path / "call.flac", seconds=60, crosstalk=crosstalk)
    assert optimized(source, filename="call.flac", limits=None, **options).manifest.warnings == expected


def test_chunks_of_each_channel_are_the_whole(tmp_path: Path) -> None:
    source = write_call(tmp_path / "call.wav", seconds=130)
    manifest = optimized(source, multichannel=True, max_chunk_seconds=60).manifest
    for channel in (0, 1):
        parts = [chunk for chunk in manifest.chunks if chunk.channel == channel]
        assert len(parts) > 2
        assert sum(part.samples for part in parts) == manifest.samples
    names = [chunk.filename for chunk in manifest.chunks]
    assert names == [f"chunk_{index:03d}.mp3" for index in range(len(names))]


def test_a_silent_channel_has_no_chunks(tmp_path: Path) -> None:
    source = tmp_path / "call.wav"
    voice = write_speech(tmp_path / "voice.wav", seconds=10, channels=1)
    ffmpeg("-i", voice, "-af", "pan=stereo|c1=c0", source)
    manifest = optimized(source, multichannel=True).manifest
    assert [chunk.channel for chunk in manifest.chunks] == [1]
    assert manifest.chunks[0].filename == "output.mp3"


def test_channels_of_all_tracks_may_be_people(tmp_path: Path) -> None:
    """As a camera or a meeting writes it: a microphone on each track, one of which began later."""
    film = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=5:duration=6")
    sound = write_tracks(tmp_path / "sound.mkv", ToneTrack(440), ToneTrack(SILENCE_HZ), ToneTrack(1100))
    source = tmp_path / "talk.mov"
    ffmpeg("-i", sound, *film, "-map", "1:v", "-map", "0:a", "-c:v", "mpeg4", "-c:a", "pcm_s16le", source)
    result = optimized(source, multichannel=True, track="mix", profile=Profile.NONE)
    assert [chunk.channel for chunk in result.manifest.chunks] == [0, 1]
    assert [track.used for track in result.manifest.tracks] == [True, False, True]
    for chunk, hz in zip(result.chunks, (440, 1100), strict=True):
        assert tone_share(chunk, hz) > 0.9


def test_one_channel_alone_is_one_person(tmp_path: Path) -> None:
    source = write_speech(tmp_path / "talk.wav", seconds=10, channels=1)
    manifest = optimized(source, multichannel=True).manifest
    assert [chunk.channel for chunk in manifest.chunks] == [0]


def test_a_real_call_needs_no_diarizer(tmp_path: Path) -> None:
    """Half a minute of two people, with a person on each channel and 26 dB of crosstalk. Nearly every word is in the
    louder channel; the words' times are estimates, and some are said while the other person speaks."""
    talk = conversation()
    numbers = {name: channel for channel, name in enumerate(dict.fromkeys(turn.speaker for turn in talk.turns))}
    gains = []
    for channel in (0, 1):
        own = [turn for turn in talk.turns if numbers[turn.speaker] == channel]
        speaking = "+".join(f"between(t,{turn.start - 0.05:.3f},{turn.end + 0.05:.3f})" for turn in own)
        gains.append(f"[{channel}]volume='if({speaking},1,0.05)':eval=frame[{channel}out]")
    source = tmp_path / "call.wav"
    joined = "[0out][1out]join=inputs=2:channel_layout=stereo"
    ffmpeg("-i", talk.file, "-i", talk.file, "-filter_complex", ";".join([*gains, joined]), source)
    assert optimized(source).manifest.warnings == (WarningCode.SEPARATE_CHANNELS,)

    activity = optimized(source, multichannel=True).manifest.channel_activity
    assert activity is not None
    louder = tuple(SpeakerSegment(turn.start, turn.end, speaker_of(turn.channel)) for turn in activity.exclusive)
    words = [Word(word.start, word.end, word.text) for _, word in talk.words]
    found = assign_speakers(words, Speakers(louder))
    people = {name: speaker_of(channel) for channel, name in enumerate(talk.names)}
    right = sum(word.speaker == people[name] for (name, _), word in zip(talk.words, found, strict=True))
    assert right >= 0.9 * len(words)
