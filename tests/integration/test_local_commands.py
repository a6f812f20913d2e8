"""`whisperjob local …` as a user types it: its files, its output, and that nothing outlives an interrupt."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.audio.media import write_noise
from support.audio.track_files import ToneTrack, write_tracks
from support.programs.environment import unconfigured
from support.programs.processes import children_of, lives
from support.waiting import until_sync
from whisperjob import __version__
from whisperjob.model.manifest import Manifest

WHISPERJOB = str(Path(sys.executable).with_name("whisperjob"))
ENVIRONMENT = unconfigured()


def whisperjob(*arguments: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [WHISPERJOB, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=ENVIRONMENT)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("recording") / "a talk – ünï ☀.wav", seconds=70)


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_noise(tmp_path_factory.mktemp("long") / "long.wav", seconds=1800)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_version_and_usage() -> None:
    assert whisperjob("--version").stdout == f"whisperjob {__version__}\n"
    assert "Exit codes" in whisperjob("--help").stdout
    assert whisperjob("local", "optimize", "/no/such/file", "-o", "/tmp").returncode == 2


def test_optimize_leaves_mp3s_and_their_manifest(tmp_path: Path, recording: Path) -> None:
    ended = whisperjob("local", "optimize", recording, "-o", tmp_path / "new" / "out", "--max-chunk-seconds", "60")
    assert ended.returncode == 0, ended.stderr
    out = tmp_path / "new" / "out"
    assert names(out) == ["chunk_000.mp3", "chunk_001.mp3", "manifest.json"]
    manifest = Manifest.model_validate_json((out / "manifest.json").read_bytes())
    for chunk in manifest.chunks:
        data = (out / chunk.filename).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (chunk.size_bytes, chunk.sha256)
    assert manifest.duration_seconds == pytest.approx(70)

    again = whisperjob("local", "optimize", recording, "-o", out, "--profile", "none")
    assert again.returncode == 0
    assert names(out) == ["manifest.json", "output.mp3"]

    (out / "mine.txt").touch()
    assert whisperjob("local", "run", recording, "-o", out, "--max-chunk-seconds", "60").returncode == 0
    assert names(out) == ["chunk_000.mp3", "chunk_001.mp3", "job.json", "mine.txt"], (
        "the files of the earlier run went, and no others"
    )


def test_optimize_refuses_bad_input_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("no media at all, only words\n" * 50)
    ended = whisperjob("local", "optimize", file, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_optimize_takes_headerless_pcm(tmp_path: Path) -> None:
    file = tmp_path / "samples.pcm"
    file.write_bytes(os.urandom(8000 * 2 * 3))
    options = ("--raw-format", "s16le", "--sample-rate", "8000", "--channels", "1")
    ended = whisperjob("local", "optimize", file, "-o", tmp_path / "out", *options)
    assert ended.returncode == 0, ended.stderr
    assert "3.0 s of audio" in ended.stdout


@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGINT, 130, id="Ctrl-C"), pytest.param(signal.SIGTERM, 143, id="SIGTERM")],
)
def test_optimize_interrupted_leaves_nothing(
    tmp_path: Path, long_recording: Path, number: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [WHISPERJOB, "local", "optimize", str(long_recording), "-o", str(out)], stderr=subprocess.DEVNULL
    )
    until_sync(lambda: children_of(process.pid), "ffmpeg to run")
    programs = children_of(process.pid)
    process.send_signal(number)  # to it alone: ffmpeg must not depend on the terminal for its end
    assert process.wait(2) == code
    until_sync(lambda: not any(lives(pid) for pid in programs), "ffmpeg's end", 2)
    assert not out.exists()


def test_run_sends_a_file_through_a_service(tmp_path: Path, recording: Path) -> None:
    out = tmp_path / "out"
    ended = whisperjob("local", "run", recording, "-o", out, "--max-chunk-seconds", "60")
    assert ended.returncode == 0, ended.stderr
    assert names(out) == ["chunk_000.mp3", "chunk_001.mp3", "job.json"]
    job = json.loads((out / "job.json").read_text())
    assert job["originalFilename"] == recording.name
    for chunk in job["chunks"]:
        assert hashlib.sha256((out / chunk["filename"]).read_bytes()).hexdigest() == chunk["sha256"]


def test_run_says_why_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("no media at all, only words\n" * 50)
    ended = whisperjob("local", "run", file, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "out").exists()


def test_run_says_why_an_empty_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.wav"
    file.touch()
    ended = whisperjob("local", "run", file, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert "empty" in ended.stderr


def test_run_keeps_the_job_in_a_data_folder_that_is_named(tmp_path: Path, recording: Path) -> None:
    ended = whisperjob("local", "run", recording, "-o", tmp_path / "out", "--data-dir", tmp_path / "data")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "data" / "jobs.sqlite").exists()


def test_run_interrupted_leaves_nothing(tmp_path: Path, long_recording: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [WHISPERJOB, "local", "run", str(long_recording), "-o", str(out)], stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    until_sync(lambda: [pid for worker in children_of(process.pid) for pid in children_of(worker)], "ffmpeg to run", 30)
    workers = children_of(process.pid)
    workers += [pid for worker in workers for pid in children_of(worker)]
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 130
    assert stderr == b"Interrupted.\n"
    assert not any(lives(pid) for pid in workers)
    assert not out.exists()


def test_a_track_is_chosen_and_what_was_left_out_is_named(tmp_path: Path) -> None:
    english, german = ToneTrack(440, language="eng", marks="default"), ToneTrack(700, language="deu", title="Bühne")
    film = write_tracks(tmp_path / "film.mkv", english, german)
    out = tmp_path / "out"
    ended = whisperjob("local", "optimize", film, "-o", out, "--track", "German")
    assert (ended.returncode, ended.stderr) == (0, ""), "whoever chose a track knows what was left out"
    manifest = Manifest.model_validate_json((out / "manifest.json").read_bytes())
    assert [(track.language, track.used) for track in manifest.tracks] == [("eng", False), ("deu", True)]

    noted = whisperjob("local", "optimize", film, "-o", out).stderr
    assert "Of its 2 audio tracks only 0 (eng, vorbis) was used, not 1 (deu, “Bühne”, vorbis);" in noted
    assert whisperjob("local", "optimize", film, "-o", out, "--track", "mix").stderr == ""
    refused = whisperjob("local", "optimize", film, "-o", out, "--track", "2")
    assert (refused.returncode, refused.stderr) == (
        1,
        "The file has no track 2. Its tracks are 0 (vorbis, eng), 1 (vorbis, deu, “Bühne”).\n",
    )
    assert whisperjob("local", "optimize", film, "-o", out, "--track", "x" * 65).returncode == 2
