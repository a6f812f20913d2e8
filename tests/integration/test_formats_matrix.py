"""Every container and codec the installed ffmpeg can write goes in; the same tone, of the same length, comes out."""

import re
from pathlib import Path

import pytest

from support.audio.format_matrix import NOT_UPLOADED, RECIPES, SECONDS, TONE_HZ, Recipe
from support.audio.media import ffmpeg
from support.audio.tones import process, tone_share

TONE = f"sine=frequency={TONE_HZ}:duration={SECONDS},volume=12dB,tremolo=f=3:d=0.8"
PICTURE = f"testsrc=size=176x144:rate=25:duration={SECONDS}"


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
