"""Mixes many channels into one without losing speech. Pure.

The mix is a weighted sum by the layout's names. If probed frames show that the sum cancels the channels' sound
(phase-inverted stereo), a single channel or the difference of two takes its place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from whisperjob_optimizer import sound_settings

_ORDER = {
    "mono": "FC",
    "stereo": "FL FR",
    "downmix": "DL DR",
    "2.1": "FL FR LFE",
    "3.0": "FL FR FC",
    "3.0(back)": "FL FR BC",
    "4.0": "FL FR FC BC",
    "quad": "FL FR BL BR",
    "quad(side)": "FL FR SL SR",
    "3.1": "FL FR FC LFE",
    "5.0": "FL FR FC BL BR",
    "5.0(side)": "FL FR FC SL SR",
    "4.1": "FL FR FC LFE BC",
    "5.1": "FL FR FC LFE BL BR",
    "5.1(side)": "FL FR FC LFE SL SR",
    "6.0": "FL FR FC BC SL SR",
    "hexagonal": "FL FR FC BL BR BC",
    "6.1": "FL FR FC LFE BC SL SR",
    "6.1(back)": "FL FR FC LFE BL BR BC",
    "7.0": "FL FR FC BL BR SL SR",
    "7.1": "FL FR FC LFE BL BR SL SR",
    "7.1(wide)": "FL FR FC LFE BL BR FLC FRC",
    "7.1(wide-side)": "FL FR FC LFE FLC FRC SL SR",
    "octagonal": "FL FR FC BL BR BC SL SR",
}
_WEIGHTS = {"FC": 1.0, "LFE": 0.0, "FL": 0.7, "FR": 0.7, "FLC": 0.7, "FRC": 0.7, "DL": 1.0, "DR": 1.0}
_SURROUND_WEIGHT = 0.35
"""Speech is in the centre, music and echo are behind; the low-frequency channel has no speech at all."""

MAX_PROBED_CHANNELS = 8
"""With more channels the phase has no meaning: such files are multitracks."""

_ACTIVE = 1e-3
"""Moments 30 dB below the loudest are pauses, in which it does not matter whether noise cancels."""

_SILENT = 1e-4
"""A channel 40 dB below the loudest one is silent."""

_AS_LOUD = 0.95
"""Of channels that differ by less than 0.2 dB, the first one is taken."""

_MAX_CANCELLED = 0.1
_ALL_CANCELLED = 0.9


@dataclass(frozen=True, slots=True)
class Mix:
    """The weights of the channels, by their index."""

    weights: tuple[float, ...]

    def expression(self) -> str:
        """Returns the sum in the syntax of the pan filter."""
        terms = [f"{weight:+.6g}*c{index}" for index, weight in enumerate(self.weights) if weight]
        return "".join(terms).removeprefix("+")


def default_mix(channels: int, layout: str = "") -> Mix:
    """Returns the mix for a channel layout. The weights sum to 1, so that identical channels keep their level."""
    named = _ORDER.get(layout, "").split()
    if len(named) != channels:
        named = _ORDER["stereo"].split() if channels == 2 else ["?"] * channels
    raw = [1.0 if name == "?" else _WEIGHTS.get(name, _SURROUND_WEIGHT) for name in named]
    return Mix(tuple(weight / sum(raw) for weight in raw))


@dataclass(frozen=True, slots=True)
class MixCorrection:
    """`mix` replaces the default one, and the recording is decoded again; `gain_db` compensates silent channels."""

    mix: Mix | None
    gain_db: float


def check_mix(mix: Mix, rows: Sequence[Sequence[float]]) -> MixCorrection:
    """Decides on a mix by rows of RMS levels in dBFS, each of one moment: of every channel, then of `mix`."""
    channels = len(mix.weights)
    powers = [[10 ** (level / 10) if math.isfinite(level) else 0.0 for level in row] for row in rows]
    powers = [row for row in powers if len(row) == channels + 1]
    loudest = max((max(row[:channels]) for row in powers), default=0.0)
    active = [row for row in powers if max(row[:channels]) > loudest * _ACTIVE]
    if loudest <= 0 or not active:
        return MixCorrection(None, 0.0)
    weights = mix.weights
    lost = 10 ** (-sound_settings.MAX_CANCELLATION_DB / 10)
    cancelled = [
        r for r in active if r[channels] < lost * math.fsum(w * w * p for w, p in zip(weights, r, strict=False))
    ]
    totals = [math.fsum(row[i] for row in active) for i in range(channels)]
    if len(cancelled) > _MAX_CANCELLED * len(active):
        if channels == 2 and len(cancelled) >= _ALL_CANCELLED * len(active):
            return MixCorrection(Mix((0.5, -0.5)), 0.0)
        best = next(index for index, total in enumerate(totals) if total >= max(totals) * _AS_LOUD)
        return MixCorrection(Mix(tuple(float(i == best) for i in range(channels))), 0.0)
    active_weight = math.fsum(w for w, t in zip(weights, totals, strict=True) if t > max(totals) * _SILENT)
    return MixCorrection(None, -20 * math.log10(active_weight) if 0 < active_weight < 1 else 0.0)
