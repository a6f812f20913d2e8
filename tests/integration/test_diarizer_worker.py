"""The diarizer as a process of its own on a fake of its models: chunks, progress, verdicts, its end."""

import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path

import pytest

from support.audio.media import ffmpeg
from support.programs.processes import lives
from support.waiting import until_sync
from support.workers import fake_diarizer
from support.workers.process import RUN_SECONDS, ended, running
from support.workers.work_server import WorkServer, claim_for, posted_to, read_from, written_into
from whisperjob.model.errors import JobCode
from whisperjob.model.manifest import Verdict
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import Claim, DiarizeOptions, FileRead, Input, OptimizeOptions, ProgressPost
from whisperjob.model.timeline import Timeline
from whisperjob.worker.worker_program import DONE, INFRASTRUCTURE

pytest_plugins = ["support.workers.fixtures"]

RATE = 16_000
DECODED = DIARIZE_PROGRESS[DiarizeStep.LOADING][1]


@pytest.fixture(scope="module")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, int]]:
    """Three, of lengths that are no multiple of an MP3 frame: sound from 1 s to 3.5 s, and from 6.5 s to 8 s."""
    folder = tmp_path_factory.mktemp("chunks")
    sound = "aevalsrc=0.3*sin(600*PI*t)*(between(t\\,1\\,3.5)+between(t\\,6.5\\,8)):s=16000:d=9"
    samples = ffmpeg("-f", "lavfi", "-i", sound, "-f", "s16le", "-")
    made = []
    for index, (start, end) in enumerate(pairwise((0, 48_123, 100_023, 9 * RATE))):
        path, raw = folder / f"chunk_{index:03d}.mp3", folder / "raw"
        raw.write_bytes(samples[2 * start : 2 * end])
        ffmpeg("-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", raw, "-c:a", "libmp3lame", "-b:a", "64k", path)
        made.append((path, end - start))
    return made


def claim_of(state: WorkServer, chunks: list[tuple[Path, int]], store: Path | None, model: str = "fake") -> Claim:
    """Of files in place where there is a store, else by HTTP."""
    inputs = []
    for path, samples in chunks:
        read = FileRead(path=str(path)) if store else read_from(state, path.name, path.read_bytes())
        inputs.append(Input(filename=path.name, read=read, size_bytes=path.stat().st_size, samples=samples))
    results = written_into(store) if store else posted_to(state, "jobs/")
    return claim_for(inputs, results, DiarizeOptions(model=model))


def working(state: WorkServer, scratch: Path) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    command = [sys.executable, fake_diarizer.__file__, "--server", state.base_url, "--token-stdin"]
    return running([*command, "--scratch", str(scratch)])


def turns(timeline: Timeline) -> list[tuple[float, float, str]]:
    """To a fiftieth of a second, which MP3 blurs a little."""
    return [(round(turn.start * 50) / 50, round(turn.end * 50) / 50, turn.speaker) for turn in timeline.segments]


@pytest.mark.parametrize("place", ["files", "http"])
def test_many_chunks_are_one_timeline(
    state: WorkServer, tmp_path: Path, scratch: Path, chunks: list[tuple[Path, int]], place: str
) -> None:
    store = tmp_path / "store" if place == "files" else None
    state.claim = claim_of(state, chunks, store)
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    data = (store / "results" / "manifest.json").read_bytes() if store else state.objects["jobs/manifest.json"]
    timeline = Timeline.model_validate_json(data)
    assert turns(timeline) == [(1, 3.5, "SPEAKER_00"), (6.5, 8, "SPEAKER_01")]
    assert (timeline.duration_seconds, timeline.notes) == (9.0, ())
    assert (timeline.model, timeline.device) == ("fake 1.0", "none")
    assert list(scratch.iterdir()) == []
    assert all(path.exists() for path, _ in chunks)


def test_progress_moves_forward_from_the_first_moment(
    state: WorkServer, tmp_path: Path, scratch: Path, chunks: list[tuple[Path, int]]
) -> None:
    state.claim = claim_of(state, chunks, tmp_path)
    started = time.monotonic()
    with working(state, scratch) as process:
        until_sync(lambda: state.posts, "progress")
        waited = time.monotonic() - started
        assert ended(process)[0] == DONE
    percents = [post.percent for post in state.posts]
    assert state.posts[0].step is DiarizeStep.LOADING
    assert percents == sorted(percents)
    for post in state.posts:
        low, high = DIARIZE_PROGRESS[DiarizeStep(post.step)]
        assert low <= post.percent <= high
    assert waited < 2, "the imports of the first moments must stay light (0.3 s on an idle machine)"


def test_a_chunk_of_another_length_is_noted_and_moves_nothing_after_it(
    state: WorkServer, tmp_path: Path, scratch: Path, chunks: list[tuple[Path, int]]
) -> None:
    (first, samples), *others = chunks
    state.claim = claim_of(state, [(first, samples + 1600), *others], tmp_path)
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    timeline = Timeline.model_validate_json((tmp_path / "results" / "manifest.json").read_bytes())
    assert timeline.notes == ("A chunk decoded to 1600 samples fewer than its record says",)
    assert timeline.segments[-1].start == pytest.approx(6.6, abs=0.05)
    assert state.posts[-1].note == timeline.notes[0]


def test_a_fallback_is_told_at_once_and_kept(
    state: WorkServer, tmp_path: Path, scratch: Path, chunks: list[tuple[Path, int]]
) -> None:
    state.claim = claim_of(state, chunks, tmp_path, "falls-back")
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    timeline = Timeline.model_validate_json((tmp_path / "results" / "manifest.json").read_bytes())
    assert timeline.notes == (fake_diarizer.NOTE,)
    assert state.posts[-1].note == fake_diarizer.NOTE


def test_a_missing_model_is_a_verdict_before_any_audio_is_read(
    state: WorkServer, scratch: Path, chunks: list[tuple[Path, int]]
) -> None:
    state.claim = claim_of(state, chunks, None, "missing")
    state.objects.clear()  # what is not read need not be there
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    verdict = Verdict.model_validate_json(state.objects["jobs/failure.json"])
    assert verdict.code is JobCode.MODEL_UNAVAILABLE
    assert "HF_TOKEN is not set" in verdict.message


def test_a_chunk_that_is_no_mp3_is_no_fault_of_the_recording(state: WorkServer, tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "output.mp3"
    path.write_bytes(b"#EXTM3U\nfile:///etc/passwd\n" * 50)
    state.claim = claim_of(state, [(path, 16_000)], tmp_path)
    with working(state, scratch) as process:
        status, said = ended(process)
    assert status == INFRASTRUCTURE
    assert "a chunk of the optimised audio cannot be decoded" in said
    assert not list((tmp_path / "results").glob("*"))


def test_no_memory_is_the_infrastructures_failure(
    state: WorkServer, tmp_path: Path, scratch: Path, chunks: list[tuple[Path, int]]
) -> None:
    state.claim = claim_of(state, chunks, tmp_path, "hungry")
    with working(state, scratch) as process:
        assert ended(process) == (INFRASTRUCTURE, "MemoryError: no memory left")
    assert not list((tmp_path / "results").glob("*"))


def test_work_of_another_stage_is_refused(
    state: WorkServer, tmp_path: Path, scratch: Path, chunks: list[tuple[Path, int]]
) -> None:
    state.claim = claim_of(state, chunks, tmp_path).model_copy(update={"options": OptimizeOptions()})
    with working(state, scratch) as process:
        assert ended(process) == (INFRASTRUCTURE, "ProtocolViolationError: this worker cannot optimize")


@pytest.mark.parametrize("end", ["SIGTERM", "the parent's death"])
def test_ends_at_once_and_leaves_nothing(
    state: WorkServer, tmp_path: Path, scratch: Path, chunks: list[tuple[Path, int]], end: str
) -> None:
    state.claim = claim_of(state, chunks, tmp_path, "stuck")
    with working(state, scratch) as process:
        until_sync(lambda: state.posts and state.posts[-1].percent >= DECODED, "the audio to be decoded")
        if end == "SIGTERM":
            os.kill(process.pid, signal.SIGTERM)
        else:
            assert process.stdin is not None
            process.stdin.close()
        started = time.monotonic()
        assert ended(process)[0] == 143
        assert time.monotonic() - started < 5
        until_sync(lambda: not lives(process.pid), "the process to be gone")
    assert list(scratch.iterdir()) == []


def test_standalone_takes_any_recording(tmp_path: Path) -> None:
    file, output = tmp_path / "a talk.flac", tmp_path / "timeline.json"
    sound = "aevalsrc=0.3*sin(600*PI*t)*between(t\\,4\\,5):s=44100:d=6"
    ffmpeg("-f", "lavfi", "-i", sound, "-ac", "2", file)
    command = [sys.executable, fake_diarizer.__file__, str(file), "--output", str(output), "--num-speakers", "2"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=RUN_SECONDS)
    posts = [ProgressPost.model_validate_json(line) for line in done.stdout.splitlines()]
    assert [post.percent for post in posts] == sorted(post.percent for post in posts)
    timeline = Timeline.model_validate_json(output.read_bytes())
    assert turns(timeline) == [(4, 5, "SPEAKER_00")]
    assert timeline.duration_seconds == pytest.approx(6, abs=0.01)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        pytest.param("no sound\n" * 99, [], "no audio", id="no recording"),
        pytest.param("", [], "no audio", id="empty"),
        pytest.param("x", ["--model", "missing"], "HF_TOKEN", id="no model"),
        pytest.param("x", ["--num-speakers", "0"], "num_speakers", id="nonsense"),
        pytest.param("x", ["--ffmpeg", "no-such-ffmpeg"], "ffmpeg was not found", id="no ffmpeg"),
    ],
)
def test_standalone_prints_what_is_wrong_in_one_line(
    tmp_path: Path, content: str, options: list[str], words: str
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(content)
    command = [sys.executable, fake_diarizer.__file__, str(file), "--output", str(tmp_path / "t.json"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert words in line
    assert not (tmp_path / "t.json").exists()
