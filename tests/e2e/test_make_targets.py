"""The commands of the README's first page, as a person types them at the repository's root."""

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from support.programs.environment import unconfigured
from support.waiting import until_sync

ROOT = Path(__file__).parents[2]
ENVIRONMENT = unconfigured()


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)


def test_setup_has_nothing_to_do_twice() -> None:
    assert make("setup").returncode == 0
    again = make("setup")
    assert (again.returncode, again.stderr) == (0, "")


def test_an_old_python_is_named_in_one_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ended = make("setup", f"PYTHON={old}")
    assert ended.returncode == 2
    assert "WhisperJob needs Python 3.11 or newer" in ended.stderr


_SLOW_PYTHON = """#!/bin/sh
case "$*" in
    "-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && cp "$0" "$4/bin/pip" && echo "$4" >"$4/bin/activate" ;;
    "-m pip"*) echo "Collecting a large package" && until [ -e "$GO_ON" ]; do sleep 0.1; done && exit 1 ;;
esac
"""


@pytest.mark.parametrize("interrupted", [False, True], ids=["to its end", "with Ctrl-C"])
def test_the_diarizers_set_up_shows_that_it_lives(tmp_path: Path, interrupted: bool) -> None:
    """With an interpreter whose pip takes its time, and fails."""
    for name in ("deploy/diarizer", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    python = tmp_path / "python"
    python.write_text(_SLOW_PYTHON)
    python.chmod(0o755)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [tmp_path / "deploy" / "diarizer" / "setup.sh", "wheels"],
        env={**ENVIRONMENT, "PYTHON": str(python), "GO_ON": str(tmp_path / "go-on")},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = bytearray()
    with process, os.fdopen(ours, "rb", buffering=0) as terminal:
        while b"Collecting a large package" not in shown:
            shown += terminal.read(4096)
        if interrupted:
            os.killpg(process.pid, signal.SIGINT)
        else:
            (tmp_path / "go-on").touch()
        with suppress(OSError):  # how a terminal's end reads once nobody holds the other: the reporter has ended, too
            while block := terminal.read(4096):
                shown += block
    assert re.search(r"\r\S* +0:0\d +\d+ MB  Collecting a large package", shown.decode())
    if interrupted:
        assert process.returncode == 130
    else:
        assert process.returncode == 1
        assert "pip could not install the packages" in shown.decode()


def test_an_environment_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    for name in ("deploy/local", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / "checkout" / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "checkout")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "precious").touch()
    (tmp_path / "checkout" / ".venv").symlink_to("../shared")
    setup = tmp_path / "checkout" / "deploy" / "local" / "setup.sh"
    ended = subprocess.run([setup, "local"], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ".venv is a link to ../shared" in ended.stderr
    assert (tmp_path / "shared" / "precious").exists()


@pytest.mark.parametrize("name", ["talk.mp4", "a talk – ünï ☀ (it's $HOME) #2.mp4"])
def test_run_file_leaves_mp3s(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    sound = ["-f", "lavfi", "-i", "anoisesrc=d=4:c=pink:a=0.3", "-c:a", "aac"]
    picture = ["-f", "lavfi", "-i", "testsrc=d=4:s=64x48:r=5", "-c:v", "mpeg4"]
    subprocess.run(["ffmpeg", "-v", "error", *picture[:4], *sound, *picture[4:], str(file)], check=True)
    ended = make("run", f"FILE={file}", f"OUT={tmp_path / 'out'}")
    assert ended.returncode == 0, ended.stderr
    assert f"The MP3s and job.json, with the place of each in the recording, are in {tmp_path / 'out'}." in ended.stderr
    following = next(line for line in ended.stderr.splitlines() if " local transcribe " in line)
    program, *words = shlex.split(following)
    assert (ROOT / program).samefile(ROOT / ".venv" / "bin" / "whisperjob")
    assert words == ["local", "transcribe", str(file)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["job.json", "output.mp3"]


def test_run_file_that_is_no_recording_fails(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_text("only words\n" * 100)
    ended = make("run", f"FILE={file}", f"OUT={tmp_path / 'out'}")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 2  # the reason, and make's own word that the target failed


def test_run_serves_until_told_to_stop(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=ROOT,
            env={**ENVIRONMENT, "PORT": "0", "DATA_DIR": str(tmp_path / "data")},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        until_sync(lambda: "WhisperJob is ready at http://127.0.0.1:" in said.read_text(), "the service", 60)
        assert (tmp_path / "data" / "api-key").exists()
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        process.wait(30)
    assert "Traceback" not in said.read_text()
