"""Chunks: exact seams, quiet cuts, limits in seconds and bytes."""

import hashlib
from array import array
from pathlib import Path

import pytest

from support.audio.media import PAUSE_SECONDS, decode, ffmpeg, write_speech
from support.audio.optimizing import Optimized, optimized
from whisperjob.model.manifest import MAX_CHUNK_BYTES, SAMPLE_RATE, CutKind
from whisperjob.model.mp3 import parse_info
from whisperjob.model.phase import STEP_PROGRESS, Profile, Step
from whisperjob_optimizer import mp3_sizes

SECONDS = 400.37


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("talk") / "talk.flac", seconds=SECONDS, rate=16_000, channels=1)


@pytest.fixture(scope="module")
def whole(talk: Path) -> Optimized:
    return moved(optimized(talk), "whole")


@pytest.fixture(scope="module")
def divided(talk: Path) -> Optimized:
    return moved(optimized(talk, max_chunk_seconds=60), "divided")


def moved(result: Optimized, name: str) -> Optimized:
    """Out of the way of the next run."""
    result.folder = result.folder.rename(result.folder.with_name(name))
    return result


def joined(result: Optimized) -> "array[float]":
    return array("f", [sample for chunk in result.chunks for sample in decode(chunk)])


def test_chunks_add_up_to_the_undivided_audio(whole: Optimized, divided: Optimized) -> None:
    assert len(whole.chunks) == 1
    assert len(divided.chunks) == 8
    assert len(decode(whole.chunks[0])) == whole.manifest.samples == round(SECONDS * SAMPLE_RATE)
    assert divided.manifest.samples == whole.manifest.samples == len(joined(divided))
    for chunk, path in zip(divided.manifest.chunks, divided.chunks, strict=True):
        assert len(decode(path)) == chunk.samples


def test_nothing_is_shifted_behind_a_seam(whole: Optimized, divided: Optimized) -> None:
    one, many = decode(whole.chunks[0]), joined(divided)
    for chunk in divided.manifest.chunks:
        begin = next(
            at
            for at in range(chunk.start_sample + 2000, chunk.start_sample + chunk.samples - 4000, 1000)
            if energy(one[at : at + 4000]) > 4000 * 0.01
        )
        spans = {lag: distance(one, many, begin, lag) for lag in range(-40, 41)}
        assert min(spans, key=lambda lag: spans[lag]) == 0
        assert spans[0] < 0.02 * energy(one[begin : begin + 4000])


def test_seams_are_as_quiet_as_the_rest(divided: Optimized) -> None:
    """No click: across a seam the signal is no rougher than where it is quiet anyway."""
    many = joined(divided)
    for chunk in divided.manifest.chunks[1:]:
        at = chunk.start_sample
        assert max(abs(many[i] - many[i - 1]) for i in range(at - 20, at + 20)) < 0.02


def test_cuts_lie_in_pauses_within_the_last_half_minute(divided: Optimized) -> None:
    assert PAUSE_SECONDS > 0.4, "else there is nothing to find"
    *cut, last = divided.manifest.chunks
    assert {chunk.cut for chunk in cut} == {CutKind.QUIET}
    assert last.cut is CutKind.END
    for chunk in cut[:-1]:
        assert 30 <= chunk.duration_seconds <= 60
    assert last.duration_seconds >= 10


def test_sound_without_a_pause_is_cut_by_force(tmp_path: Path) -> None:
    source = tmp_path / "music.flac"
    ffmpeg("-f", "lavfi", "-i", "sine=frequency=330:sample_rate=16000", "-t", "130", source)
    result = optimized(source, max_chunk_seconds=60, profile=Profile.NONE)
    assert [chunk.cut for chunk in result.manifest.chunks] == [CutKind.FORCED, CutKind.FORCED, CutKind.END]
    assert len(joined(result)) == 130 * SAMPLE_RATE


def test_progress_tells_every_step_in_order(divided: Optimized) -> None:
    percents = [percent for _, percent, _ in divided.reports]
    assert percents == sorted(percents)
    steps = list(dict.fromkeys(step for step, _, _ in divided.reports))
    assert steps == [Step.ANALYZING, Step.ANALYZING_LOUDNESS, Step.ENHANCING, Step.SPLITTING]
    for step, percent, _ in divided.reports:
        assert STEP_PROGRESS[step][0] <= percent <= STEP_PROGRESS[step][1]
    assert divided.reports[-1][2] == pytest.approx(SECONDS, abs=0.001)


def test_no_chunk_exceeds_twenty_megabytes(tmp_path: Path) -> None:
    seconds = 2750
    source = tmp_path / "long.flac"
    tones = "aevalsrc=exprs='0.2*sin(2*PI*300*t)*gt(mod(t,20),10)':s=8000"
    ffmpeg("-f", "lavfi", "-i", tones, "-t", str(seconds), "-compression_level", "0", source)
    result = optimized(source, profile=Profile.NONE)
    chunks = result.manifest.chunks
    assert len(chunks) == 2
    assert sum(chunk.samples for chunk in chunks) == seconds * SAMPLE_RATE
    for chunk, path in zip(chunks, result.chunks, strict=True):
        data = path.read_bytes()
        assert len(data) == chunk.size_bytes <= MAX_CHUNK_BYTES
        assert hashlib.sha256(data).hexdigest() == chunk.sha256
        info = parse_info(data[: mp3_sizes.FRAME_BYTES])
        promised = info.frames * mp3_sizes.FRAME_SAMPLES - info.delay - info.padding
        assert (promised, info.size_bytes) == (chunk.samples, chunk.size_bytes)
    assert chunks[0].size_bytes > MAX_CHUNK_BYTES - 8000 * 31


def energy(samples: "array[float]") -> float:
    return sum(sample * sample for sample in samples)


def distance(one: "array[float]", two: "array[float]", begin: int, lag: int) -> float:
    return sum((one[i] - two[i + lag]) ** 2 for i in range(begin, begin + 4000))
