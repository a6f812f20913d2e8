"""A real conversation with the real diarizer, where `make diarizer` made one; only the recogniser stands in."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.audio.conversation import RECORDED_TIMELINE, conversation
from support.client.asr_server import KEY, asr_server
from support.docs.speakers import found_timeline
from support.programs.environment import unconfigured
from whisperjob.model.timeline import Timeline
from whisperjob_local.worker_programs import find_diarizer

ROUNDING_SECONDS = 0.1
RIGHT = 0.9
"""Of the words. The two truths that come with the recording differ by more than one word themselves."""


def test_the_record_in_the_documentation_is_what_the_diarizer_says() -> None:
    """The picture and the tutorial are made of it. Another machine may round differently."""
    if find_diarizer(None) is None:
        pytest.skip("`make diarizer` was not run here")
    recorded = Timeline.model_validate_json(RECORDED_TIMELINE.read_bytes())
    found = found_timeline()
    assert [turn.speaker for turn in found.exclusive] == [turn.speaker for turn in recorded.exclusive]
    for turn, known in zip(found.exclusive, recorded.exclusive, strict=True):
        assert (turn.start, turn.end) == pytest.approx((known.start, known.end), abs=ROUNDING_SECONDS)


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
