"""Every container and codec the installed ffmpeg can write goes in; the same tone, of the same length, comes out."""

import math
import re
import subprocess
from array import array
from pathlib import Path

import pytest

from support.format_matrix import NOT_UPLOADED, RECIPES, SECONDS, TONE_HZ, Recipe
from whisperjob.model.manifest import SAMPLE_RATE, Manifest
from whisperjob.model.phase import Profile, RawFormat
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob_optimizer.pipeline import optimize
from whisperjob_optimizer.runner import Tools

TONE = f"sine=frequency={TONE_HZ}:duration={SECONDS},volume=12dB,tremolo=f=3:d=0.8"
PICTURE = f"testsrc=size=176x144:rate=25:duration={SECONDS}"


def ffmpeg(*arguments: str | Path) -> bytes:
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


@pytest.fixture(scope="module")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tone") / "tone.wav"
    ffmpeg("-f", "lavfi", "-i", TONE, "-ar", "48000", "-ac", "1", file)
    return file


def make(recipe: Recipe, tone: Path, folder: Path) -> Path:
    """The file, named without a hint unless the recipe is one that needs its extension."""
    picture = ("-f", "lavfi", "-i", PICTURE) if recipe.video else ()
    made = folder / f"upload.{recipe.extension}"
    ffmpeg(*picture, "-i", tone, *recipe.options, "-f", recipe.muxer, made)
    return made


def process(file: Path, recipe: Recipe, folder: Path) -> Manifest:
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
    stored = folder / "0011223344556677"  # as a store keeps it: by a name that says nothing
    file.rename(stored)
    return optimize(stored, file.name, out, scratch, options, WorkLimits(), lambda *_: None, Tools.find("ffmpeg"))


def tone_share(mp3: Path) -> float:
    """How much of the sound's energy is the tone's, 0 to 1 (Goertzel over blocks of 0.1 s)."""
    samples = array("f", ffmpeg("-i", mp3, "-f", "f32le", "-"))
    block = SAMPLE_RATE // 10
    total = inside = 0.0
    turn = 2 * math.cos(2 * math.pi * TONE_HZ / SAMPLE_RATE)
    for start in range(0, len(samples) - block, block * 4):
        one = two = energy = 0.0
        for sample in samples[start : start + block]:
            one, two = sample + turn * one - two, one
            energy += sample * sample
        total += energy
        inside += (one * one + two * two - turn * one * two) * 2 / block
    return inside / total if total else 0.0


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_what_goes_in_comes_out(recipe: Recipe, tone: Path, tmp_path: Path) -> None:
    manifest = process(make(recipe, tone, tmp_path), recipe, tmp_path)
    assert manifest.duration_seconds == pytest.approx(SECONDS, abs=recipe.slack_seconds)
    assert manifest.warnings == ()
    assert tone_share(tmp_path / "out" / manifest.chunks[0].filename) > recipe.least_tone


def test_the_matrix_leaves_nothing_out() -> None:
    """Every muxer of the ffmpeg the matrix was written for is tried or has a reason; newer ones may know more."""
    listing = ffmpeg("-muxers").decode()
    installed = set(re.findall(r"^\s+E (\S+)", listing, re.MULTILINE))
    named = {recipe.muxer for recipe in RECIPES} | {muxer for group in NOT_UPLOADED.values() for muxer in group}
    version = ffmpeg("-version").decode().split()[2]
    if not version.startswith("5.1"):
        pytest.skip(f"the matrix was drawn up for ffmpeg 5.1, this is {version}: {sorted(installed - named)} not tried")
    assert installed == named
