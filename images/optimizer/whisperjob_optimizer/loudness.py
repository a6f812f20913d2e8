"""What is measured and what follows from it: EBU R128 from momentary values, noise floor, gate, compressor, gain.

Pure. All tracks hold ffmpeg's momentary loudness (400 ms) every 100 ms, in LUFS; such blocks are exactly what
ITU-R BS.1770 gates for the integrated value, so that tracks of several pieces can be joined before gating.
"""

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from whisperjob.model.manifest import Loudness
from whisperjob.model.phase import Profile
from whisperjob_optimizer import sound

ABSOLUTE_GATE_LUFS = -70.0
TRACK_SAMPLES = 1600
"""16 kHz samples from one value of a track to the next."""

WINDOW_SAMPLES = 6400
"""What one value looks back on."""

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


def _gated_mean(track: Sequence[float], gate: float) -> float | None:
    """Mean loudness, by power, of the blocks above a gate."""
    total, count = 0.0, 0
    for value in track:
        if value > gate:
            total += _power(value)
            count += 1
    return _lufs(total / count) if count else None


def integrated_lufs(track: Sequence[float]) -> float | None:
    """ITU-R BS.1770 integrated loudness; None for silence."""
    ungated = _gated_mean(track, ABSOLUTE_GATE_LUFS)
    if ungated is None:
        return None
    return _gated_mean(track, max(ABSOLUTE_GATE_LUFS, ungated + _RELATIVE_GATE_LU))


def rms_lufs(samples: Sequence[float]) -> float:
    """Loudness of a sound too short for a single block, without its weighting."""
    return _lufs(max(math.fsum(s * s for s in samples) / max(1, len(samples)), _SILENT_POWER))


def range_lu(track: Sequence[float]) -> float | None:
    """EBU Tech 3342 loudness range. Short-term values are means of the momentary blocks that span them: within 0.3 LU
    of ffmpeg's on speech."""
    if len(track) < _SHORT_TERM_BLOCKS:
        return None
    short_term: array[float] = array("f")
    total = math.fsum(map(_power, track[:_SHORT_TERM_BLOCKS]))
    short_term.append(_lufs(max(total / _SHORT_TERM_BLOCKS, _SILENT_POWER)))
    for index in range(_SHORT_TERM_BLOCKS, len(track)):
        total += _power(track[index]) - _power(track[index - _SHORT_TERM_BLOCKS])
        short_term.append(_lufs(max(total / _SHORT_TERM_BLOCKS, _SILENT_POWER)))
    ungated = _gated_mean(short_term, ABSOLUTE_GATE_LUFS)
    if ungated is None:
        return None
    low, high = _percentiles(short_term, max(ABSOLUTE_GATE_LUFS, ungated + _RANGE_GATE_LU), (0.10, 0.95))
    return high - low


def noise_floor(track: Sequence[float]) -> float | None:
    """The level that all but a twentieth of the recording are above, digital silence left out; None for only that."""
    found = _percentiles(track, _NOTHING_LUFS, (_FLOOR_PERCENTILE,))
    return found[0] if found else None


def _percentiles(values: Sequence[float], above: float, shares: Sequence[float]) -> list[float]:
    """To a tenth of a LU, by counting: sorting would take memory that grows with the recording."""
    counts = Counter(round(value * 10) for value in values if value > above)
    places = [round(share * (counts.total() - 1)) for share in shares]
    found: list[float] = []
    passed = 0
    for tenth, count in sorted(counts.items()):
        passed += count
        while len(found) < len(places) and places[len(found)] < passed:
            found.append(tenth / 10)
    return found


def summary(track: Sequence[float], true_peak_dbtp: float | None = None) -> Loudness:
    integrated, spread = integrated_lufs(track), range_lu(track)
    return Loudness(
        integrated_lufs=None if integrated is None else round(integrated, 2),
        true_peak_dbtp=None if true_peak_dbtp is None or math.isinf(true_peak_dbtp) else round(true_peak_dbtp, 2),
        range_lu=None if spread is None else round(spread, 2),
    )


@dataclass(frozen=True, slots=True)
class Enhancement:
    """Settings of gate, compressor and first limiter for one recording; levels in dBFS after `pre_gain_db`.

    None leaves that step out.
    """

    pre_gain_db: float
    gate_threshold_db: float | None
    compressor_threshold_db: float | None
    ceiling_db: float


def decide_enhancement(track: Sequence[float], profile: Profile) -> Enhancement | None:
    """From the momentary loudness of the band-passed recording. None: leave it as it is (silence, or profile none).

    The limiter stands here and not only behind the final gain, because limiting makes quieter: what is measured
    afterwards is then what the final gain meets. Its ceiling comes from the loudness to be expected by then.
    """
    speech = integrated_lufs(track)
    if speech is None or profile is Profile.NONE:
        return None
    pre_gain = sound.WORKING_LUFS - speech
    gate = compressor = None
    if profile is Profile.FULL:
        gate = _gate_threshold(noise_floor(track), speech)
        compressor = sound.WORKING_LUFS + sound.COMPRESSOR_ABOVE_SPEECH_LU
    expected = _expected_lufs(track, pre_gain, compressor)
    return Enhancement(pre_gain, gate, compressor, sound.LIMITER_CEILING_DBFS - sound.TARGET_LUFS + expected)


def _gate_threshold(floor: float | None, speech: float) -> float | None:
    if floor is None or speech - floor < sound.GATE_MIN_DISTANCE_LU:
        return None
    above_floor = floor + sound.GATE_ABOVE_FLOOR_LU
    threshold = min(above_floor, speech - sound.GATE_BELOW_SPEECH_LU) - speech + sound.WORKING_LUFS
    return threshold if threshold >= sound.GATE_MIN_THRESHOLD_DBFS else None


def _expected_lufs(track: Sequence[float], pre_gain: float, compressor: float | None) -> float:
    """Loudness behind the compressor, by its static curve."""
    if compressor is None:
        return sound.WORKING_LUFS
    taken = 1 - 1 / sound.COMPRESSOR_RATIO
    threshold = compressor - sound.COMPRESSOR_RIDES_LU
    compressed = integrated_lufs(array("f", (v + pre_gain - max(0.0, v + pre_gain - threshold) * taken for v in track)))
    return sound.WORKING_LUFS if compressed is None else compressed


@dataclass(frozen=True, slots=True)
class Finish:
    """The last gain and the limiter behind it; no ceiling: no limiter."""

    gain_db: float
    ceiling_dbfs: float | None
    oversampled: bool = False


def decide_finish(enhanced: Sequence[float], applied_db: float) -> Finish:
    """From the loudness of the enhanced recording, which was raised by `applied_db` already."""
    measured = integrated_lufs(enhanced)
    if measured is None:
        return Finish(0.0, None)
    return Finish(min(sound.TARGET_LUFS - measured, sound.MAX_GAIN_DB - applied_db), sound.LIMITER_CEILING_DBFS)


@dataclass(frozen=True, slots=True)
class Trial:
    """A finish, and what the decoded MP3s sounded like with it."""

    finish: Finish
    heard: Loudness


def correct_finish(trials: Sequence[Trial], applied_db: float) -> Finish | None:
    """What to try next after the `trials` so far; None if the latest holds, or is the best that can be had."""
    last, heard = trials[-1].finish, trials[-1].heard
    if last.ceiling_dbfs is None:
        return None
    gain, ceiling, oversampled = last.gain_db, last.ceiling_dbfs, last.oversampled
    if heard.integrated_lufs is not None:
        missing = sound.TARGET_LUFS - heard.integrated_lufs
        if abs(missing) > sound.LOUDNESS_TOLERANCE_LU:
            gain = min(gain + missing / _yield(trials, missing), sound.MAX_GAIN_DB - applied_db)
    if heard.true_peak_dbtp is not None and heard.true_peak_dbtp > sound.TRUE_PEAK_DBTP:
        if oversampled:
            ceiling -= heard.true_peak_dbtp - sound.TRUE_PEAK_DBTP + 0.2
        oversampled = True
    corrected = Finish(gain, ceiling, oversampled)
    return None if corrected == last else corrected


def _yield(trials: Sequence[Trial], missing: float) -> float:
    """How much louder a dB of gain makes it: less than 1 LU where the limiter takes a part of it away again."""
    if len(trials) > 1:
        first, second = trials[-2], trials[-1]
        raised = second.finish.gain_db - first.finish.gain_db
        if raised and first.heard.integrated_lufs is not None and second.heard.integrated_lufs is not None:
            return min(1.0, max(0.25, (second.heard.integrated_lufs - first.heard.integrated_lufs) / raised))
    return sound.LIMITED_YIELD if missing > 0 else 1.0
