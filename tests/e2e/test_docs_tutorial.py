"""The tutorial, typed as it stands: its commands run, and print what it shows.

Two things stand in for what a test cannot have: a recogniser that knows the call answers in Groq's place, and who
speaks when is what the real diarizer said about the call (tests/support/docs/speakers.py).
"""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.audio.conversation import conversation
from support.client.asr_server import KEY, asr_server
from support.docs.readme import ROOT
from support.programs.environment import unconfigured
from support.waiting import until_sync

PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(bash|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
URL = re.compile(r"http://127\.0\.0\.1:\d+")
ENVIRONMENT = unconfigured()


@contextmanager
def first_terminal(command: str, folder: Path, diarizer: Path) -> Iterator[str]:
    """`command` at the repository's root, the data in `folder`; its URL."""
    said = folder / "said"
    environment = {**ENVIRONMENT, "PORT": "0", "DATA_DIR": str(folder / "data")}
    environment["WHISPERJOB_DIARIZER_PYTHON"] = str(diarizer)
    with said.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until_sync(lambda: process.poll() is not None or URL.search(said.read_text()), "the service", 60)
        found = URL.search(said.read_text())
        assert found, said.read_text()
        yield found[0]
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does on Ctrl-C
        process.wait(30)


def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path: Path) -> None:
    talk = conversation()
    (_, start), *blocks = BLOCK.findall(PAGE.read_text())
    assert start == "make run\n"
    shutil.copy(talk.file, tmp_path / "call.wav")
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    typed = "\n".join(body for kind, body in blocks if kind == "bash")
    diarizer = talk.recorded_diarizer(tmp_path / "diarizer")
    with first_terminal(start, tmp_path, diarizer) as url, asr_server(ear=talk.hear) as asr:
        typed = typed.replace("http://127.0.0.1:8080", url).replace("gsk_your-key", KEY)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", typed],
            cwd=tmp_path,
            env={**ENVIRONMENT, "GROQ_BASE_URL": asr.url, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert list(asr.received.values()) == [1], "names cost nothing"
    for shown in (body for kind, body in blocks if kind == "text"):
        assert shown in done.stdout
    assert "Diane: Hello?" in (tmp_path / "call.srt").read_text()
