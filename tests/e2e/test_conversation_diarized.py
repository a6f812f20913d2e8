"""A real conversation with the real diarizer, where `make diarizer` made one; only the recogniser stands in."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.audio.conversation import conversation
from support.client.asr_server import KEY, asr_server
from support.programs.environment import unconfigured
from whisperjob_local.worker_programs import find_diarizer

RIGHT = 0.9
"""Of the words. The two truths that come with the recording differ by more than one word themselves."""


@pytest.mark.skipif(find_diarizer(None) is None, reason="`make diarizer` was not run here")
@pytest.mark.timeout(600)
def test_nearly_every_word_gets_who_says_it(tmp_path: Path) -> None:
    talk = conversation()
    shutil.copy(talk.file, tmp_path / "call.wav")
    program = Path(sys.executable).with_name("whisperjob")
    with asr_server(ear=talk.hear) as asr:
        done = subprocess.run(
            [program, "local", "transcribe", "call.wav", "--num-speakers", "2", "-f", "json", "-f", "srt"],
            cwd=tmp_path,
            env={**unconfigured(), "GROQ_API_KEY": KEY, "GROQ_BASE_URL": asr.url, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=500,
        )
    assert done.returncode == 0, done.stderr
    words = json.loads((tmp_path / "call.json").read_text())["words"]
    numbers = {name: f"SPEAKER_{n:02d}" for n, name in enumerate(talk.names)}
    right = [word["speaker"] == numbers[name] for word, (name, _) in zip(words, talk.words, strict=True)]
    assert sum(right) / len(right) >= RIGHT, (tmp_path / "call.srt").read_text()
