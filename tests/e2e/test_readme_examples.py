"""What the README and the how-to on curl show runs, word for word, against a real service that answers in such JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.audio.media import write_speech_video
from support.client.asr_server import KEY, asr_server
from support.docs.readme import ROOT, blocks, page_blocks
from support.service.serving import served
from support.workers.diarizer_stand_in import interpreter


def fields(value: object) -> object:
    """The shape of JSON: names all the way down, of lists the first entry's."""
    if isinstance(value, dict):
        return {name: fields(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [fields(value[0])] if value else []
    return type(value).__name__ if isinstance(value, str | bool) else "number"


EXAMPLES = {"README": blocks("curl by example"), "how-to": page_blocks("docs/how-to/curl.md", diarizer=True)}


def outputs(shown_blocks: list[tuple[str, str]], folder: Path) -> list[tuple[object, str]]:
    """What each bash block printed, beside the JSON block that follows it (None if none does)."""
    write_speech_video(folder / "talk.mp4", seconds=8)
    mark = "=== end of a block ==="
    (folder / "diarizer").mkdir()
    with served(folder / "data", {"WHISPERJOB_DIARIZER_PYTHON": str(interpreter(folder / "diarizer"))}) as service:
        scripts = [body.replace("http://127.0.0.1:8080", service.url) for kind, body in shown_blocks if kind == "bash"]
        script = f"\necho; echo '{mark}'\n".join(["set -euo pipefail", *scripts])
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=dict(os.environ), capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = done.stdout.split(mark)[1:]
    shown: list[object] = []
    for place, (kind, _) in enumerate(shown_blocks):
        if kind == "bash":
            following = shown_blocks[place + 1] if place + 1 < len(shown_blocks) else ("", "")
            shown.append(json.loads(following[1]) if following[0] == "json" else None)
    return list(zip(shown, printed, strict=True))


@pytest.mark.parametrize("place", EXAMPLES)
def test_every_answer_has_the_fields_that_are_shown(tmp_path: Path, place: str) -> None:
    pairs = [(shown, printed) for shown, printed in outputs(EXAMPLES[place], tmp_path) if shown is not None]
    assert len(pairs) == sum(kind == "json" for kind, _ in EXAMPLES[place]) > 0
    for shown, printed in pairs:
        *_, last = (line for line in printed.splitlines() if line.startswith("{"))
        assert fields(json.loads(last)) == fields(shown)


@pytest.mark.parametrize("place", EXAMPLES)
def test_the_examples_end_with_a_wrong_key(tmp_path: Path, place: str) -> None:
    """Pasted into a terminal, without `set -e`: every loop must end by itself, and the error must be seen."""
    write_speech_video(tmp_path / "talk.mp4", seconds=1)
    script = "".join(body for kind, body in EXAMPLES[place] if kind == "bash")
    assert script.count("sleep 1") > 0
    with served(tmp_path / "data") as service:
        (tmp_path / "data" / "api-key").write_text("wrong")
        done = subprocess.run(
            ["bash", "-c", script.replace("http://127.0.0.1:8080", service.url)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert '"code": "unauthorized"' in done.stdout.replace('":"', '": "')
    assert "401" in done.stderr
    assert not (tmp_path / "output.mp3").exists(), "an error is no recording"


def test_the_command_line_by_example(tmp_path: Path) -> None:
    write_speech_video(tmp_path / "talk.mp4", seconds=8)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (_, commands), (_, transcript) = blocks("The command line")
    with served(tmp_path / "data") as service, asr_server() as asr:

        def paste(script: str) -> None:
            here = script.replace("http://127.0.0.1:8080", service.url).replace("gsk_your-key", KEY)
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", here],
                cwd=tmp_path,
                env={**os.environ, "GROQ_BASE_URL": asr.url},
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stdout + done.stderr

        paste(commands)
        assert service.client.get("/stats").json()["totalJobs"] == 0
        paste("\n".join(line for line in commands.splitlines() if line.startswith("export")) + f"\n{transcript}")
    assert (tmp_path / "out" / "output.mp3").stat().st_size > 0
    assert (tmp_path / "talk.srt").exists()
    assert (tmp_path / "talk.txt").exists()


def test_the_commands_without_a_service(tmp_path: Path) -> None:
    write_speech_video(tmp_path / "talk.mp4", seconds=8)
    (tmp_path / "diarizer").mkdir()
    script = "".join(body for kind, body in page_blocks("docs/how-to/local.md") if kind == "bash")
    with asr_server() as asr:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "WHISPERJOB_DIARIZER_PYTHON": str(interpreter(tmp_path / "diarizer")),
                "GROQ_API_KEY": KEY,
                "GROQ_BASE_URL": asr.url,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    left = {path.name for path in tmp_path.iterdir()}
    assert left >= {"out", "talk.srt", "talk.txt", "talk.rttm", "talk.md"}
    assert (tmp_path / "talk.rttm").read_text().startswith("SPEAKER talk 1 ")
