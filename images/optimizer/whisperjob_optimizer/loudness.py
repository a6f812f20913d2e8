"""Computes EBU R128 from momentary values, and decides on gate, compressor and gain. Pure.

`momentary` is always a series of ffmpeg's momentary loudness (400 ms) every 100 ms, in LUFS. These are exactly the
blocks that ITU-R BS.1770 gates for the integrated value, so that the series of several chunks can be joined before
gating.
"""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from whisperjob.model.manifest import Loudness
from whisperjob.model.phase import Profile
from whisperjob_optimizer import sound_settings

ABSOLUTE_GATE_LUFS = -70.0
HOP_SAMPLES = 1600
"""16 kHz samples from one momentary value to the next."""

WINDOW_SAMPLES = 6400
"""16 kHz samples that one momentary value is computed from."""

PARTIAL_BLOCKS = 3
"""The first momentary values of a series, which are computed from less than 400 ms."""

_RELATIVE_GATE_LU = -10.0
_RANGE_GATE_LU = -20.0
_SHORT_TERM_BLOCKS = 27
"""Momentary blocks of 400 ms every 100 ms that span 3 s."""

_OFFSET = -0.691
_FLOOR_PERCENTILE = 0.05
_NOTHING_LUFS = -100.0
_SILENT_POWER = 1e-12


def _power(lufs: float) -> float:
    return 10 ** ((lufs - _OFFSET) / 10)


def _lufs(power: float) -> float:
    return _OFFSET + 10 * math.log10(power)


def _gated_mean(momentary: Sequence[float], gate: float) -> float | None:
    """Returns the mean loudness, by power, of the blocks above a gate; None if there is none."""
    total, count = 0.0, 0
    for value in momentary:
        if value > gate:
            total += _power(value)
            count += 1
    return _lufs(total / count) if count else None


def is_silent(momentary: Sequence[float]) -> bool:
    """Returns whether no block is above the absolute gate; False where there is no block, because nothing is known."""
    return len(momentary) > 0 and max(momentary) <= ABSOLUTE_GATE_LUFS


def integrated_lufs(momentary: Sequence[float]) -> float | None:
    """Returns the integrated loudness of ITU-R BS.1770; None for silence."""
    ungated = _gated_mean(momentary, ABSOLUTE_GATE_LUFS)
    if ungated is None:
        return None
    return _gated_mean(momentary, max(ABSOLUTE_GATE_LUFS, ungated + _RELATIVE_GATE_LU))


def rms_lufs(samples: Sequence[float]) -> float:
    """Returns the unweighted loudness of a sound that is too short for a single block."""
    return _lufs(max(math.fsum(s * s for s in samples) / max(1, len(samples)), _SILENT_POWER))


def range_lu(momentary: Sequence[float]) -> float | None:
    """Returns the loudness range of EBU Tech 3342; None for less than 3 s and for silence.

    Short-term values are means of the momentary blocks that span them: within 0.3 LU of ffmpeg's on speech.
    """
    if len(momentary) < _SHORT_TERM_BLOCKS:
        return None
    short_term: array[float] = array("f")
    total = math.fsum(map(_power, momentary[:_SHORT_TERM_BLOCKS]))
    short_term.append(_lufs(max(total / _SHORT_TERM_BLOCKS, _SILENT_POWER)))
    for index in range(_SHORT_TERM_BLOCKS, len(momentary)):
        total += _power(momentary[index]) - _power(momentary[index - _SHORT_TERM_BLOCKS])
        short_term.append(_lufs(max(total / _SHORT_TERM_BLOCKS, _SILENT_POWER)))
    ungated = _gated_mean(short_term, ABSOLUTE_GATE_LUFS)
    if ungated is None:
        return None
    low, high = _percentiles(short_term, max(ABSOLUTE_GATE_LUFS, ungated + _RANGE_GATE_LU), (0.10, 0.95))
    return high - low


def noise_floor(momentary: Sequence[float]) -> float | None:
    """Returns the level that 95 % of the recording is above, without digital silence; None if there is only that."""
    found = _percentiles(momentary, _NOTHING_LUFS, (_FLOOR_PERCENTILE,))
    return found[0] if found else None


def _percentiles(values: Sequence[float], above: float, shares: Sequence[float]) -> list[float]:
    """Returns percentiles to a tenth of a LU, by counting: sorting would take memory that grows with the recording."""
    counts = Counter(round(value * 10) for value in values if value > above)
    places = [round(share * (counts.total() - 1)) for share in shares]
    found: list[float] = []
    passed = 0
    for tenth, count in sorted(counts.items()):
        passed += count
        while len(found) < len(places) and places[len(found)] < passed:
            found.append(tenth / 10)
    return found


def summarize(momentary: Sequence[float], true_peak_dbtp: float | None = None) -> Loudness:
    """Returns loudness and range of a series, with the true peak, rounded for a manifest."""
    integrated, spread = integrated_lufs(momentary), range_lu(momentary)
    return Loudness(
        integrated_lufs=None if integrated is None else round(integrated, 2),
        true_peak_dbtp=None if true_peak_dbtp is None or math.isinf(true_peak_dbtp) else round(true_peak_dbtp, 2),
        range_lu=None if spread is None else round(spread, 2),
    )


@dataclass(frozen=True, slots=True)
class Enhancement:
    """The settings of gate, compressor and first limiter for one recording; levels in dBFS after `pre_gain_db`.

    A threshold of None means that this filter is not used.
    """

    pre_gain_db: float
    gate_threshold_db: float | None
    compressor_threshold_db: float | None
    ceiling_db: float


def decide_enhancement(momentary: Sequence[float], profile: Profile) -> Enhancement | None:
    """Decides by the momentary loudness of the band-passed recording. None: no enhancement (silence, or profile none).

    There is a limiter here and not only behind the last gain, because limiting makes the sound quieter: what is
    measured behind it is the input of the last gain. Its ceiling follows from the loudness to be expected there.
    """
    speech = integrated_lufs(momentary)
    if speech is None or profile is Profile.NONE:
        return None
    pre_gain = sound_settings.WORKING_LUFS - speech
    gate = compressor = None
    if profile is Profile.FULL:
        gate = _gate_threshold(noise_floor(momentary), speech)
        compressor = sound_settings.WORKING_LUFS + sound_settings.COMPRESSOR_ABOVE_SPEECH_LU
    expected = _expected_lufs(momentary, pre_gain, compressor)
    return Enhancement(
        pre_gain, gate, compressor, sound_settings.LIMITER_CEILING_DBFS - sound_settings.TARGET_LUFS + expected
    )


def _gate_threshold(floor: float | None, speech: float) -> float | None:
    if floor is None or speech - floor < sound_settings.GATE_MIN_DISTANCE_LU:
        return None
    above_floor = floor + sound_settings.GATE_ABOVE_FLOOR_LU
    threshold = min(above_floor, speech - sound_settings.GATE_BELOW_SPEECH_LU) - speech + sound_settings.WORKING_LUFS
    return threshold if threshold >= sound_settings.GATE_MIN_THRESHOLD_DBFS else None


def _expected_lufs(momentary: Sequence[float], pre_gain: float, compressor: float | None) -> float:
    """Returns the loudness behind the compressor, by its static curve."""
    if compressor is None:
        return sound_settings.WORKING_LUFS
    taken = 1 - 1 / sound_settings.COMPRESSOR_RATIO
    threshold = compressor - sound_settings.COMPRESSOR_RIDES_LU
    compressed = integrated_lufs(
        array("f", (v + pre_gain - max(0.0, v + pre_gain - threshold) * taken for v in momentary))
    )
    return sound_settings.WORKING_LUFS if compressed is None else compressed


@dataclass(frozen=True, slots=True)
class OutputGain:
    """The last gain and the limiter behind it; without a ceiling there is no limiter."""

    gain_db: float
    ceiling_dbfs: float | None
    oversampled: bool = False


def decide_output_gain(enhanced: Sequence[float], applied_db: float) -> OutputGain:
    """Decides by the loudness of the enhanced recording, to which a gain of `applied_db` was applied already."""
    measured = integrated_lufs(enhanced)
    if measured is None:
        return OutputGain(0.0, None)
    return OutputGain(
        min(sound_settings.TARGET_LUFS - measured, sound_settings.MAX_GAIN_DB - applied_db),
        sound_settings.LIMITER_CEILING_DBFS,
    )


@dataclass(frozen=True, slots=True)
class EncodingRound:
    """One round of encoding: the gain, and the loudness of the decoded MP3s."""

    output_gain: OutputGain
    measured: Loudness


def correct_output_gain(rounds: Sequence[EncodingRound], applied_db: float) -> OutputGain | None:
    """Returns the gain of the next round; None if the last result is within its limits, or cannot be improved."""
    last, measured = rounds[-1].output_gain, rounds[-1].measured
    if last.ceiling_dbfs is None:
        return None
    gain, ceiling, oversampled = last.gain_db, last.ceiling_dbfs, last.oversampled
    if measured.integrated_lufs is not None:
        missing = sound_settings.TARGET_LUFS - measured.integrated_lufs
        if abs(missing) > sound_settings.LOUDNESS_TOLERANCE_LU:
            gain = min(gain + missing / _gain_effect(rounds, missing), sound_settings.MAX_GAIN_DB - applied_db)
    if measured.true_peak_dbtp is not None and measured.true_peak_dbtp > sound_settings.TRUE_PEAK_DBTP:
        if oversampled:
            ceiling -= measured.true_peak_dbtp - sound_settings.TRUE_PEAK_DBTP + 0.2
        oversampled = True
    corrected = OutputGain(gain, ceiling, oversampled)
    return None if corrected == last else corrected


def _gain_effect(rounds: Sequence[EncodingRound], missing: float) -> float:
    """Returns how many LU louder a dB of gain makes the result: less than 1 where the limiter removes a part of it."""
    if len(rounds) > 1:
        first, second = rounds[-2], rounds[-1]
        raised = second.output_gain.gain_db - first.output_gain.gain_db
        if raised and first.measured.integrated_lufs is not None and second.measured.integrated_lufs is not None:
            return min(1.0, max(0.25, (second.measured.integrated_lufs - first.measured.integrated_lufs) / raised))
    return sound_settings.LIMITED_GAIN_EFFECT if missing > 0 else 1.0
