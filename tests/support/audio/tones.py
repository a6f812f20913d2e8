"""Sends a tone through the pipeline, and measures how much of it is left."""

import math
from pathlib import Path

from support.audio.format_matrix import TONE_HZ, Recipe
from support.audio.media import decode
from whisperjob.model.manifest import SAMPLE_RATE, Manifest
from whisperjob.model.phase import Profile, RawFormat
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob_optimizer.pipeline import optimize
from whisperjob_optimizer.tools import Tools


def process(file: Path, recipe: Recipe, folder: Path) -> Manifest:
    """Runs the pipeline on a file under a name as a store has it; the chunks are in folder/out."""
    raw_format, rate, channels = recipe.raw or (None, None, None)
    options = OptimizeOptions(
        profile=Profile.NONE,
        raw_format=RawFormat(raw_format) if raw_format else None,
        sample_rate=rate,
        channels=channels,
    )
    out, scratch = folder / "out", folder / "scratch"
    out.mkdir()
    scratch.mkdir()
    stored = folder / "0011223344556677"  # a name that says nothing
    file.rename(stored)
    return optimize(stored, file.name, out, scratch, options, WorkLimits(), lambda *_: None, Tools.find("ffmpeg"))


def tone_share(mp3: Path, hz: float = TONE_HZ, *, start: float = 0.0, end: float = math.inf) -> float:
    """Returns a tone's share of the energy, 0 to 1, from `start` to `end` seconds (Goertzel over blocks of 0.1 s)."""
    samples = decode(mp3)
    samples = samples[round(start * SAMPLE_RATE) : round(min(end, len(samples)) * SAMPLE_RATE)]
    block = SAMPLE_RATE // 10
    total = inside = 0.0
    turn = 2 * math.cos(2 * math.pi * hz / SAMPLE_RATE)
    for start in range(0, len(samples) - block, block * 4):
        one = two = energy = 0.0
        for sample in samples[start : start + block]:
            one, two = sample + turn * one - two, one
            energy += sample * sample
        total += energy
        inside += (one * one + two * two - turn * one * two) * 2 / block
    return inside / total if total else 0.0
