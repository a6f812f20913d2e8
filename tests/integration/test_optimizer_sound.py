"""What the MP3s sound like: loudness and true peak of the decoded result, channels, silence, profiles."""

import math
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from support.audio.media import decode, ffmpeg, integrated_lufs, true_peak_dbtp, write_silence, write_speech
from support.audio.optimizing import optimized
from whisperjob.model.errors import WarningCode
from whisperjob.model.phase import Profile

SHOUT = "volume='if(between(mod(t,10),4,6),12,1)':eval=frame,alimiter=level=false"
CLICKS = "aeval='val(ch)+0.9*lt(mod(t,5),0.0002)'"

RECORDINGS = {
    "as it comes": {},
    "whispered": {"volume_db": -38},
    "hot": {"volume_db": 6},
    "noisy": {"noise": 0.03},
    "one shouts": {"filters": SHOUT, "volume_db": -20},
    "clicks": {"filters": CLICKS, "channels": 1},
    "telephone": {"rate": 8000, "channels": 1},
    "loud mumbling": {"filters": "lowpass=f=400,volume=10dB"},
}


@pytest.mark.parametrize("recording", RECORDINGS.values(), ids=RECORDINGS)
@pytest.mark.parametrize("profile", [Profile.FULL, Profile.LIGHT])
def test_speech_comes_out_equally_loud(recording: dict[str, object], profile: Profile, tmp_path: Path) -> None:
    source = write_speech(tmp_path / "talk.wav", seconds=15, **recording)  # type: ignore[arg-type]  # rows of a table
    result = optimized(source, profile=profile)
    measured = integrated_lufs(result.chunks[0])
    assert measured == pytest.approx(-16, abs=1)
    assert true_peak_dbtp(result.chunks[0]) <= -1.0 + 0.05  # two ways to interpolate differ by hundredths
    assert result.manifest.loudness_after.integrated_lufs == pytest.approx(measured, abs=0.2)
    assert result.manifest.duration_seconds == 15


def test_without_a_profile_it_is_only_converted(tmp_path: Path) -> None:
    source = write_speech(tmp_path / "talk.wav", seconds=10, volume_db=-20)
    result = optimized(source, profile=Profile.NONE)
    assert integrated_lufs(result.chunks[0]) == pytest.approx(mono_lufs(source), abs=0.3)
    before, after = decode(source), decode(result.chunks[0])
    assert correlation(before, after) > 0.98


@pytest.mark.parametrize("profile", [Profile.FULL, Profile.NONE])
def test_enhancement_shifts_nothing(profile: Profile, tmp_path: Path) -> None:
    source = write_speech(tmp_path / "talk.wav", seconds=10)
    result = optimized(source, profile=profile)
    assert shift(decode(source), decode(result.chunks[0])) == 0


@pytest.mark.parametrize("profile", list(Profile))
def test_silence_completes(profile: Profile, tmp_path: Path) -> None:
    result = optimized(write_silence(tmp_path / "silence.wav", seconds=5), profile=profile)
    assert result.manifest.warnings == (WarningCode.SILENT,)
    assert result.manifest.duration_seconds == 5
    assert max(map(abs, decode(result.chunks[0]))) < 1e-3
    assert result.manifest.loudness_before.integrated_lufs is None


CHANNELS = {
    "phase-inverted stereo": ("aeval=val(0)|-val(0)", (WarningCode.OPPOSITE_PHASE,)),
    "phase-inverted for a third": ("aeval='val(0)|if(lt(mod(t,9),3),-1,1)*val(0)'", (WarningCode.OPPOSITE_PHASE,)),
    "left only": ("pan=stereo|c0=c0", ()),
    "right only": ("pan=stereo|c1=c0", ()),
    "5.1, centre only": ("pan=5.1|FC=c0", ()),
    "5.1(side), inverted fronts": ("pan=5.1(side)|FL=c0|FR=-1*c0", (WarningCode.OPPOSITE_PHASE,)),
    "7.1, all": ("pan=7.1|FL=c0|FR=c0|FC=c0|LFE=c0|BL=c0|BR=c0|SL=c0|SR=c0", ()),
    "two unrelated": ("asplit[a][b];[b]adelay=1700[c];[a][c]join=inputs=2:channel_layout=stereo", ()),
}


@pytest.mark.parametrize(("filters", "warnings"), CHANNELS.values(), ids=CHANNELS)
def test_no_channel_loses_its_sound(filters: str, warnings: tuple[str, ...], tmp_path: Path) -> None:
    voice = write_speech(tmp_path / "voice.wav", seconds=12, channels=1, volume_db=-6)
    source = tmp_path / "talk.flac"
    ffmpeg("-i", voice, "-filter_complex", filters, source)
    result = optimized(source, profile=Profile.NONE)
    assert result.manifest.warnings == warnings
    # unrelated channels add up by power: 3 dB less than either
    assert integrated_lufs(result.chunks[0]) == pytest.approx(integrated_lufs(voice), abs=4.5 if not warnings else 1)
    if "unrelated" not in filters and "adelay" not in filters:
        assert abs(correlation(decode(voice), decode(result.chunks[0]))) > 0.95


def test_channels_may_change_midway(tmp_path: Path) -> None:
    mono = write_speech(tmp_path / "mono.ts", seconds=6, channels=1, options=("-c:a", "mp2"))
    stereo = write_speech(tmp_path / "stereo.ts", seconds=6, channels=2, options=("-c:a", "mp2"))
    both = tmp_path / "both.ts"
    both.write_bytes(stereo.read_bytes() + mono.read_bytes())
    result = optimized(both)
    assert result.manifest.duration_seconds == pytest.approx(12, abs=0.3)


@pytest.mark.parametrize("samples", [100, 1600, 5000, 6400, 7000, 16_001])
def test_however_short(samples: int, tmp_path: Path) -> None:
    source = tmp_path / "short.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=frequency=500:sample_rate=16000", "-af", f"atrim=end_sample={samples}", source)
    result = optimized(source)
    assert result.manifest.samples == samples == len(decode(result.chunks[0]))


def mono_lufs(path: Path) -> float:
    mixed = path.with_name("mono.wav")
    ffmpeg("-i", path, "-ac", "1", mixed)
    return integrated_lufs(mixed)


def correlation(one: "array[float]", two: "array[float]", lag: int = 0) -> float:
    """Normalised, of what both have, sampled thinly; `two` is read `lag` samples later."""
    end = min(len(one), len(two)) - 200
    pairs = [(one[i], two[i + lag]) for i in range(200, end, 3)]
    norm = math.sqrt(sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs))
    return sum(a * b for a, b in pairs) / norm if norm else 0.0


def shift(one: "array[float]", two: "array[float]") -> int:
    """By how many samples `two` lags behind `one`, within ±60; seen in their differences, whose peak is narrow."""
    start = len(one) // 2
    first, second = (differences(samples[start : start + 30_000]) for samples in (one, two))
    return max(range(-60, 61), key=lambda lag: correlation(first, second, lag))


def differences(samples: "array[float]") -> "array[float]":
    return array("f", (after - before for before, after in pairwise(samples)))
