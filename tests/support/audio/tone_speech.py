"""Speech that a test can recognise: every word is a tone of its own pitch, recognised in real, decoded audio.

So a stand-in of a speech recogniser hears what is in a chunk and when, and a transcript's times can be held against
the recording that was uploaded.
"""

import array
import math
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

RATE = 16_000
# fmt: off
VOCABULARY = (
    "anchor", "bridge", "candle", "desert", "engine", "forest", "garden", "harbour",
    "island", "jungle", "kettle", "ladder", "meadow", "needle", "orchard", "pebble",
    "quarry", "river", "saddle", "timber", "umbrella", "valley", "window", "yellow",
)
# fmt: on
_LOWEST_HZ = 400
_STEP_HZ = 60
_FRAME = RATE // 100
_LOUDEST = 12_000


@dataclass(frozen=True, slots=True)
class Said:
    """A word and when it sounds, in seconds."""

    text: str
    start: float
    end: float


def script(seconds: float, *, every: float = 1.0, length: float = 0.4) -> list[Said]:
    """A word at a regular pace, through the vocabulary again and again."""
    count = int(seconds / every)
    return [
        Said(VOCABULARY[i % len(VOCABULARY)], 0.3 + i * every, 0.3 + i * every + length)
        for i in range(count)
        if 0.3 + i * every + length < seconds
    ]


def write_tones(file: Path, said: Sequence[Said], seconds: float) -> None:
    """A WAV of 16 kHz, mono."""
    samples = array.array("h", bytes(2 * int(seconds * RATE)))
    for word in said:
        step = 2 * math.pi * (_LOWEST_HZ + _STEP_HZ * VOCABULARY.index(word.text)) / RATE
        first = round(word.start * RATE)
        for i in range(round((word.end - word.start) * RATE)):
            samples[first + i] = int(_LOUDEST * math.sin(step * i))
    with wave.open(str(file), "wb") as opened:
        opened.setnchannels(1)
        opened.setsampwidth(2)
        opened.setframerate(RATE)
        opened.writeframes(samples.tobytes())


def decode(audio: bytes) -> "array.array[int]":
    """Samples of any audio that ffmpeg decodes, at RATE, mono."""
    source = ["ffmpeg", "-v", "error", "-nostdin", "-i", "pipe:0"]
    command = [*source, "-f", "s16le", "-ar", str(RATE), "-ac", "1", "pipe:1"]
    return array.array("h", subprocess.run(command, input=audio, capture_output=True, check=True).stdout)


def hear(audio: bytes) -> tuple[list[Said], float]:
    """The words in any audio that ffmpeg decodes, and its length in seconds."""
    samples = decode(audio)
    levels = [max(samples[at : at + _FRAME : 3], default=0) for at in range(0, len(samples), _FRAME)]
    loud = [level > max(levels, default=0) / 4 > 50 for level in levels]
    found, begin = [], None
    for index, sounding in enumerate([*loud, False]):
        if sounding and begin is None:
            begin = index
        elif not sounding and begin is not None:
            if index - begin >= 10:
                text = _word(samples[(begin + 4) * _FRAME : (index - 4) * _FRAME])
                found.append(Said(text, begin / 100, index / 100))
            begin = None
    return found, len(samples) / RATE


def _word(samples: Sequence[int]) -> str:
    """By its zero crossings: two a period."""
    crossings = sum((a < 0) != (b < 0) for a, b in pairwise(samples))
    pitch = crossings / 2 / (len(samples) / RATE)
    return VOCABULARY[min(max(round((pitch - _LOWEST_HZ) / _STEP_HZ), 0), len(VOCABULARY) - 1)]
