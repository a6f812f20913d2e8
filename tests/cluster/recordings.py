"""Recordings for the cluster's tests."""

import wave
from pathlib import Path
from random import Random

_RATE = 8000
_SYLLABLE_FRAMES = 2000


def write_long(path: Path, minutes: float) -> Path:
    """Writes noise with pauses, cheap to make, and long enough for a test to act while a worker processes it."""
    chance = Random(7)
    syllables = [bytes(128 + chance.randrange(-level, level + 1) for _ in range(_SYLLABLE_FRAMES)) for level in (1, 60)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(_RATE)
        for _ in range(int(minutes * 60 * _RATE / _SYLLABLE_FRAMES / 4)):
            file.writeframesraw(syllables[0] + 3 * syllables[1])
    return path
