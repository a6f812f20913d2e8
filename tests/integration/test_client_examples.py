"""Every example runs as it stands, against a real service; the recogniser is the stand-in."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.audio.tone_speech import script, write_tones
from support.client.asr_server import KEY, asr_server
from support.service.serving import Service, served
from support.workers.diarizer_stand_in import interpreter

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
HOW_TO = ROOT / "docs" / "how-to" / "transcribe.md"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    file = tmp_path / "talk.wav"
    write_tones(file, script(6), 6)
    return file


def run(name: str, service: Service, talk: Path, **environment: str) -> str:
    program = "bash" if name.endswith(".sh") else sys.executable
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    here = {"WHISPERJOB_URL": service.url, "WHISPERJOB_API_KEY": service.key, "PATH": path}
    done = subprocess.run(
        [program, str(EXAMPLES / name), talk.name],
        cwd=talk.parent,
        env={**os.environ, **here, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_optimize_with_curl(service: Service, talk: Path) -> None:
    assert run("optimize.sh", service, talk).split() == ["out/output.mp3", "done"]
    assert (talk.parent / "out" / "output.mp3").stat().st_size > 40_000


def test_optimize(service: Service, talk: Path) -> None:
    assert run("optimize.py", service, talk) == "out/output.mp3: 6.0 s from 0.0 s\n"


def test_many(service: Service, talk: Path) -> None:
    assert run("many.py", service, talk).split() == ["out/talk/output.mp3"]


def test_transcribe(talk: Path, tmp_path: Path) -> None:
    diarizer = {"WHISPERJOB_DIARIZER_PYTHON": str(interpreter(tmp_path))}
    with asr_server() as asr, served(tmp_path / "data", diarizer) as service:
        run("transcribe.sh", service, talk, GROQ_API_KEY=KEY, GROQ_BASE_URL=asr.url)
    srt = talk.with_suffix(".srt").read_text()
    assert "Speaker 2: " in srt
    words = [word for word in re.findall(r"[A-Za-z]{2,}", srt) if word != "Speaker"]
    assert words[:5] == ["Anchor", "bridge", "candle", "desert", "engine"]
    assert talk.with_suffix(".md").read_text().startswith("# talk.wav\n")


def test_own_recogniser(service: Service, talk: Path) -> None:
    printed = run("own_recogniser.py", service, talk)
    assert printed.startswith("1\n00:00:00,000 --> 00:00:01,500\n")
    assert "bytes of speech." in printed


def test_the_python_in_the_how_to(service: Service, talk: Path) -> None:
    (script,) = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(), re.MULTILINE | re.DOTALL)
    here = script.replace("http://127.0.0.1:8080", service.url).replace("the key", service.key)
    here = here.replace("talk.mp4", talk.name)
    done = subprocess.run([sys.executable, "-c", here], cwd=talk.parent, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("out/output.mp3 0.0\n", "")


def test_every_example_has_a_test() -> None:
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    names = {"optimize_with_curl": "optimize.sh", "transcribe": "transcribe.sh"}
    others = {"every_example_has_a_test", "the_python_in_the_how_to"}
    found = {names.get(name, f"{name}.py") for name in tested - others}
    assert found == {file.name for file in EXAMPLES.iterdir() if file.suffix in (".sh", ".py")}
