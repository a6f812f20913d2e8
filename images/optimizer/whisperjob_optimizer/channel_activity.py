"""Decides by levels alone when each channel has sound of its own, and whether channels are people. Pure.

A recorded call has a person on each channel. What one says is also heard, more quietly, on the channel of the other
(crosstalk): the louder channel is the one of who speaks.
"""

import math
from collections.abc import Sequence

from whisperjob.model.manifest import ChannelActivity, ChannelTurn
from whisperjob_optimizer.downmix import Mix
from whisperjob_optimizer.loudness import ABSOLUTE_GATE_LUFS, integrated_lufs

_STEP_SECONDS = 0.1
_CENTRE_SECONDS = -0.1
"""The middle of a momentary block of 400 ms, from the 100 ms in which it ends: their beginning, less a tenth."""

_BELOW_SPEECH_LU = 12.0
"""A syllable is seldom quieter, compared with its channel's speech level; between words it is."""

_MAX_BALANCE_LU = 12.0
"""How much of the difference of two people's speech levels is made up for. With more, crosstalk on the channel of
somebody who never speaks would be taken for speech."""

_CROSSTALK_LU = 10.0
"""A channel that is this much quieter than another one has crosstalk, or background."""

_PAUSE_STEPS = 5
"""A shorter pause, in steps, is inside a turn."""

_MIN_STEPS = 3
"""What is shorter is a click."""

_ACTIVE_DB = 30.0
"""Moments this much below the loudest are pauses."""

_APART_DB = 12.0
"""One channel is this much louder than the other: one person speaks. Crosstalk of a headset is 20 dB down."""

_MIN_APART = 0.8
_MIN_SHARE = 0.1
_MAX_CORRELATION = 0.3
_MIN_MOMENTS = 20


def find_activity(channels: Sequence[Sequence[float]], duration_seconds: float) -> ChannelActivity:
    """Returns when each channel has sound, by their momentary loudness in LUFS, ten values a second."""
    levels = [integrated_lufs(channel) for channel in channels]
    loudest = max((level for level in levels if level is not None), default=0.0)
    balance = [0.0 if level is None else min(loudest - level, _MAX_BALANCE_LU) for level in levels]
    gates = [
        math.inf if level is None else max(level - _BELOW_SPEECH_LU, ABSOLUTE_GATE_LUFS) + gain
        for level, gain in zip(levels, balance, strict=True)
    ]
    active: list[list[bool]] = [[] for _ in channels]
    leading: list[list[bool]] = [[] for _ in channels]
    for step in range(min(map(len, channels), default=0)):
        now = [channel[step] + gain for channel, gain in zip(channels, balance, strict=True)]
        highest = max(now)
        first = now.index(highest)
        for index, level in enumerate(now):
            heard = level > gates[index] and level >= highest - _CROSSTALK_LU
            active[index].append(heard)
            leading[index].append(heard and index == first)
    return ChannelActivity(
        segments=_to_turns(active, duration_seconds), exclusive=_without_overlap(_to_turns(leading, duration_seconds))
    )


def _to_turns(marked: Sequence[Sequence[bool]], duration_seconds: float) -> tuple[ChannelTurn, ...]:
    turns = []
    for channel, steps in enumerate(marked):
        for begin, end in _join([index for index, on in enumerate(steps) if on]):
            start = max(0.0, begin * _STEP_SECONDS + _CENTRE_SECONDS)
            stop = min(duration_seconds, end * _STEP_SECONDS + _CENTRE_SECONDS)
            if stop > start:
                turns.append(ChannelTurn(start=round(start, 3), end=round(stop, 3), channel=channel))
    return tuple(sorted(turns, key=lambda turn: (turn.start, turn.channel)))


def _join(steps: Sequence[int]) -> list[tuple[int, int]]:
    """Returns runs of steps as half-open ranges, over short pauses and without clicks."""
    runs: list[list[int]] = []
    for step in steps:
        if runs and step - runs[-1][1] < _PAUSE_STEPS:
            runs[-1][1] = step + 1
        else:
            runs.append([step, step + 1])
    return [(begin, end) for begin, end in runs if end - begin >= _MIN_STEPS]


def _without_overlap(turns: Sequence[ChannelTurn]) -> tuple[ChannelTurn, ...]:
    """Returns turns that do not overlap: one that was joined over a pause ends where the next one begins."""
    ordered: list[ChannelTurn] = []
    for turn in turns:
        while ordered and ordered[-1].start >= turn.start:
            ordered.pop()
        if ordered and ordered[-1].end > turn.start:
            ordered[-1] = ordered[-1].model_copy(update={"end": turn.start})
        ordered.append(turn)
    return tuple(ordered)


def are_people(mix: Mix, rows: Sequence[Sequence[float]]) -> bool:
    """Returns whether two channels look like two people: hardly correlated, and mostly one of them at a time, each for
    a while. One person may be quieter than the other: each channel is compared with its own level.

    `rows` are RMS levels in dBFS, each of one moment: of both channels, then of `mix`. The correlation follows from
    these: the power of a sum is that of its parts and twice what they have in common.
    """
    if len(mix.weights) != 2:
        return False
    powers = [[10 ** (level / 10) if math.isfinite(level) else 0.0 for level in row] for row in rows if len(row) == 3]
    totals = [math.fsum(row[channel] for row in powers) for channel in (0, 1)]
    if min(totals, default=0.0) <= 0:
        return False
    balanced = [(one / totals[0], two / totals[1]) for one, two, _ in powers]
    least = max(map(max, balanced)) * 10 ** (-_ACTIVE_DB / 10)
    spoken = [pair for pair in balanced if max(pair) > least]
    if len(spoken) < _MIN_MOMENTS:
        return False
    factor = 10 ** (_APART_DB / 10)
    first = sum(one > two * factor for one, two in spoken)
    second = sum(two > one * factor for one, two in spoken)
    enough = _MIN_SHARE * len(spoken)
    if min(first, second) < enough or first + second < _MIN_APART * len(spoken):
        return False
    return abs(_correlation(mix, powers)) < _MAX_CORRELATION


def _correlation(mix: Mix, powers: Sequence[Sequence[float]]) -> float:
    one, two, both = (math.fsum(row[index] for row in powers) for index in range(3))
    left, right = mix.weights
    common = (both - left * left * one - right * right * two) / (2 * left * right)
    return common / math.sqrt(one * two)
