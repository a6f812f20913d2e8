"""Which samples of a stream of floats cannot be sound, and what takes their place."""

import math
import random
from array import array

import pytest

from whisperjob_optimizer.sample_repair import PIECE_BYTES, SampleRepair

SPREAD = 24
NOISE = array("f", (random.Random(1).uniform(-0.9, 0.9) for _ in range(50_000)))


def repair(samples: "array[float]", piece_bytes: int) -> tuple["array[float]", bool]:
    stream, data, out = SampleRepair(), samples.tobytes(), bytearray()
    for at in range(0, len(data), piece_bytes):
        out += stream.feed(data[at : at + piece_bytes])
    return array("f", bytes(out) + stream.flush()), stream.found


@pytest.mark.parametrize("piece_bytes", [PIECE_BYTES, 1001, 7])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 2.0**15, 2.0**23, 2.0**31])
def test_sound_stays_as_it_is(scale: float, piece_bytes: int) -> None:
    sound = array("f", (sample * scale for sample in NOISE))
    assert repair(sound, piece_bytes) == (sound, False)


@pytest.mark.parametrize("piece_bytes", [PIECE_BYTES, 4000])
@pytest.mark.parametrize("at", [0, 30, 8191, 8192, 49_990, 49_999])
@pytest.mark.parametrize("value", [math.nan, -math.nan, math.inf, -math.inf, 1e30, -1e38, 1e10, -1e6, 70_000])
def test_one_invalid_sample_costs_its_surroundings_only(value: float, at: int, piece_bytes: int) -> None:
    broken = array("f", NOISE)
    broken[at] = value
    expected = array("f", NOISE)
    for near in range(max(0, at - SPREAD), min(len(expected), at + SPREAD + 1)):
        expected[near] = 0
    assert repair(broken, piece_bytes) == (expected, True)


def test_no_sample_is_valid() -> None:
    repaired, found = repair(array("f", [math.nan]) * 40_000, PIECE_BYTES)
    assert found
    assert repaired == array("f", bytes(4 * 40_000))


def test_a_loud_moment_in_silence_is_no_invalid_sample() -> None:
    sound = array("f", [0.0] * 20_000 + [30_000.0 * math.sin(i / 5) for i in range(5000)] + [0.0] * 20_000)
    assert repair(sound, PIECE_BYTES) == (sound, False)
