"""`whisperjob local diarize`: its output, and its errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.workers.diarizer_stand_in import interpreter

WHISPERJOB = str(Path(sys.executable).with_name("whisperjob"))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    file = tmp_path / "a talk.wav"
    file.write_bytes(b"the stand-in does not listen")
    return file


@pytest.fixture
def switches(tmp_path: Path) -> Path:
    folder = tmp_path / "diarizer"
    folder.mkdir()
    interpreter(folder)
    return folder


def diarize(recording: Path, switches: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "WHISPERJOB_DIARIZER_PYTHON": str(switches / "python")}
    command = [WHISPERJOB, "local", "diarize", str(recording), *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_it_prints_who_speaks_how_long_and_when(recording: Path, switches: Path) -> None:
    ended = diarize(recording, switches)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "SPEAKER_00  0:00:02",
        "SPEAKER_01  0:00:01",
        "      0.00       1.00  SPEAKER_00",
        "      1.00       2.00  SPEAKER_01",
        "      2.00       3.00  SPEAKER_00",
    ]
    assert "There is no model behind this." in ended.stderr


def test_json_is_what_the_api_gives(recording: Path, switches: Path) -> None:
    got = json.loads(diarize(recording, switches, "--format", "json", "--num-speakers", "3").stdout)
    assert (got["num_speakers"], got["total_segments"]) == (3, 3)
    assert got["exclusive"][2] == {"start": 2.0, "end": 3.0, "speaker": "SPEAKER_02"}


def test_rttm_goes_into_a_file(recording: Path, switches: Path, tmp_path: Path) -> None:
    target = tmp_path / "talk.rttm"
    assert diarize(recording, switches, "--format", "rttm", "-o", str(target)).stdout == ""
    assert target.read_text().splitlines()[0] == "SPEAKER a_talk 1 0.000 1.000 <NA> <NA> SPEAKER_00 <NA> <NA>"


def test_its_failure_is_its_own_last_sentence(recording: Path, switches: Path) -> None:
    (switches / "crash").write_text("1")
    ended = diarize(recording, switches)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "The model needs a token: set HF_TOKEN." in ended.stderr
    assert "of no interest" not in ended.stderr


def test_a_diarizer_that_is_not_there_is_a_sentence(recording: Path, tmp_path: Path) -> None:
    ended = diarize(recording, tmp_path / "nowhere")
    assert ended.returncode == 1
    assert "is no program" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_numbers_that_contradict_each_other_are_refused_before_anything_starts(recording: Path, switches: Path) -> None:
    ended = diarize(recording, switches, "--min-speakers", "3", "--max-speakers", "2")
    assert (ended.returncode, ended.stderr) == (1, "minSpeakers must not be above maxSpeakers.\n")


def test_what_a_library_prints_is_no_progress(recording: Path, switches: Path, tmp_path: Path) -> None:
    chatty = tmp_path / "chatty"
    chatty.mkdir()
    script = chatty / "python"
    script.write_text(f'#!/bin/sh\necho; echo "Could not download Pipeline."\nexec "{switches}/python" "$@"\n')
    script.chmod(0o755)
    (switches / "crash").write_text("1")
    ended = diarize(recording, chatty)
    assert ended.returncode == 1
    assert ended.stderr.rstrip().endswith("The model needs a token: set HF_TOKEN.")
    assert "Traceback" not in ended.stderr
