"""Measurements and decisions on sound, without sound."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob.model.manifest import Loudness
from whisperjob.model.phase import Profile
from whisperjob_optimizer import sound_settings
from whisperjob_optimizer.loudness import (
    EncodingRound,
    OutputGain,
    correct_output_gain,
    decide_enhancement,
    decide_output_gain,
    integrated_lufs,
    noise_floor,
    range_lu,
    rms_lufs,
    summarize,
)

SILENCE = [-120.7] * 100


def test_integrated_loudness_is_gated() -> None:
    assert integrated_lufs([-23.0] * 50) == pytest.approx(-23)
    assert integrated_lufs([-23.0] * 50 + SILENCE) == pytest.approx(-23), "the absolute gate"
    assert integrated_lufs([-23.0] * 50 + [-45.0] * 50) == pytest.approx(-23), "the relative gate"
    assert integrated_lufs([-20.0] * 50 + [-26.0] * 50) == pytest.approx(10 * math.log10((0.01 + 10**-2.6) / 2))
    assert integrated_lufs(SILENCE) is None
    assert integrated_lufs([]) is None


def test_noise_floor_leaves_digital_silence_out() -> None:
    assert noise_floor([-23.0] * 90 + [-60.0] * 10 + SILENCE) == -60
    assert noise_floor(SILENCE) is None


def test_loudness_range() -> None:
    assert range_lu([-23.0] * 100) == pytest.approx(0, abs=0.01)
    assert range_lu([-33.0] * 300 + [-23.0] * 300) == pytest.approx(10, abs=0.3)
    assert range_lu([-23.0] * 5) is None
    assert range_lu(SILENCE) is None


@given(st.lists(st.floats(-130, 5), max_size=200))
def test_summaries_are_finite_or_absent(momentary: list[float]) -> None:
    loudness = summarize(momentary, -math.inf)
    assert loudness.true_peak_dbtp is None
    assert loudness.integrated_lufs is None or -71 < loudness.integrated_lufs < 6
    assert loudness.range_lu is None or 0 <= loudness.range_lu < 80


def test_a_sound_too_short_for_blocks() -> None:
    assert rms_lufs([1.0, -1.0]) == pytest.approx(-0.691)
    assert rms_lufs([]) < -100


SPEECH = [-23.0] * 80 + [-55.0] * 20


@pytest.mark.parametrize(
    ("momentary", "profile", "gate", "compressor"),
    [
        pytest.param(SPEECH, Profile.FULL, -49.0, -17.0, id="above the floor"),
        pytest.param([v - 30 for v in SPEECH], Profile.FULL, -49.0, -17.0, id="the same, only quieter"),
        pytest.param([-23.0] * 80 + [-45.0] * 20, Profile.FULL, -41.0, -17.0, id="never near speech"),
        pytest.param([-23.0] * 80 + [-37.0] * 20, Profile.FULL, None, -17.0, id="noise too near for a gate"),
        pytest.param([-23.0] * 80 + [-95.0] * 20, Profile.FULL, None, -17.0, id="nothing to gate"),
        pytest.param(SPEECH, Profile.LIGHT, None, None, id="light"),
    ],
)
def test_enhancement_is_relative_to_what_was_measured(
    momentary: list[float], profile: Profile, gate: float | None, compressor: float | None
) -> None:
    decided = decide_enhancement(momentary, profile)
    assert decided is not None
    speech = integrated_lufs(momentary)
    assert speech is not None
    assert decided.pre_gain_db == pytest.approx(sound_settings.WORKING_LUFS - speech)
    assert decided.gate_threshold_db == (None if gate is None else pytest.approx(gate, abs=0.01))
    assert decided.compressor_threshold_db == compressor
    loss = 0.67 if profile is Profile.FULL else 0
    peak_to_loudness = sound_settings.LIMITER_CEILING_DBFS - sound_settings.TARGET_LUFS
    assert decided.ceiling_db == pytest.approx(sound_settings.WORKING_LUFS - loss + peak_to_loudness, abs=0.1)


@pytest.mark.parametrize(("momentary", "profile"), [(SILENCE, Profile.FULL), (SPEECH, Profile.NONE)])
def test_silence_and_conversion_are_left_alone(momentary: list[float], profile: Profile) -> None:
    assert decide_enhancement(momentary, profile) is None


def test_the_last_gain_is_what_is_missing() -> None:
    assert rounded(decide_output_gain([-25.5] * 50, 10)) == OutputGain(9.5, sound_settings.LIMITER_CEILING_DBFS)
    assert decide_output_gain(SILENCE, 0) == OutputGain(0, None)
    assert decide_output_gain([-25.5] * 50, 45).gain_db == sound_settings.MAX_GAIN_DB - 45, (
        "hiss is not raised without end"
    )


def encoding_round(
    gain: float, lufs: float | None, peak: float, *, ceiling: float = -1.8, oversampled: bool = False
) -> EncodingRound:
    return EncodingRound(OutputGain(gain, ceiling, oversampled), Loudness(integrated_lufs=lufs, true_peak_dbtp=peak))


CORRECTIONS = [
    pytest.param([encoding_round(9, -16.5, -1.2)], None, id="it holds"),
    pytest.param([encoding_round(9, None, -60)], None, id="too short to tell"),
    pytest.param([EncodingRound(OutputGain(0, None), Loudness())], None, id="silence"),
    pytest.param(
        [encoding_round(9, -18, -1.5)], OutputGain(9 + 2 / 0.7, -1.8), id="limited: a little more than is missing"
    ),
    pytest.param([encoding_round(9, -15, -1.5)], OutputGain(8, -1.8), id="too loud"),
    pytest.param(
        [encoding_round(9, -20, -2), encoding_round(13, -18, -2)], OutputGain(17, -1.8), id="as the last round showed"
    ),
    pytest.param([encoding_round(9, -16, -0.4)], OutputGain(9, -1.8, oversampled=True), id="peaks between the samples"),
    pytest.param(
        [encoding_round(9, -16, -0.4, oversampled=True)],
        OutputGain(9, -2.6, oversampled=True),
        id="peaks made by the encoder",
    ),
]


@pytest.mark.parametrize(("rounds", "expected"), CORRECTIONS)
def test_what_was_measured_is_corrected(rounds: list[EncodingRound], expected: OutputGain | None) -> None:
    corrected = correct_output_gain(rounds, 10)
    assert (corrected and rounded(corrected)) == (expected and rounded(expected))


def rounded(output_gain: OutputGain) -> OutputGain:
    ceiling = None if output_gain.ceiling_dbfs is None else round(output_gain.ceiling_dbfs, 6)
    return replace(output_gain, gain_db=round(output_gain.gain_db, 6), ceiling_dbfs=ceiling)
