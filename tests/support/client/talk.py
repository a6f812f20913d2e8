"""A recording with words that a stand-in recogniser hears, and `whisperjob transcribe` as a process."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.audio.tone_speech import Said, script
from support.client.asr_server import KEY, AsrServer
from support.programs.environment import unconfigured

SECONDS = 125.0
TURN_WORDS = 7
TOLERANCE_SECONDS = 0.05
SAID = script(SECONDS)
SHORT = script(8)


class Talk:
    """A copy of the recording in a folder of its own, and the command that transcribes it."""

    def __init__(self, folder: Path, recording: Path, server: str, key: str, asr: AsrServer) -> None:
        self.file = folder / "talk.wav"
        os.link(recording, self.file)
        self.environment = {
            **unconfigured(),
            "WHISPERJOB_URL": server,
            "WHISPERJOB_API_KEY": key,
            "WHISPERJOB_CONFIG": str(folder / "config.toml"),
            "GROQ_API_KEY": KEY,
            "GROQ_BASE_URL": asr.url,
        }
        (folder / "config.toml").write_text("")

    @contextmanager
    def started(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "whisperjob_client", "transcribe", str(self.file), *options]
        with subprocess.Popen(
            [*command, "--max-chunk-seconds", "60", "--profile", "none"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *options: str, code: int = 0) -> tuple[str, str]:
        with self.started(*options) as process:
            out, err = process.communicate(timeout=90)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        return out, err

    def transcript(self) -> dict[str, Any]:
        return dict(json.loads(self.file.with_suffix(".json").read_text()))


def two_speakers() -> tuple[dict[str, Any], list[str]]:
    """Returns a diarization with turns of a few words, and the speaker of each word."""
    turns, speakers = [], []
    for index in range(0, len(SAID), TURN_WORDS):
        group = SAID[index : index + TURN_WORDS]
        speaker = f"SPEAKER_{index // TURN_WORDS % 2:02d}"
        turns.append({"start": group[0].start - 0.1, "end": group[-1].end + 0.1, "speaker": speaker})
        speakers += [speaker] * len(group)
    overlapping = [{"start": 0, "end": SECONDS, "speaker": "SPEAKER_00"}, *turns]
    result = {"segments": overlapping, "exclusive": turns, "num_speakers": 2, "total_segments": len(turns)}
    return {**result, "notes": ["It went on with the CPU."]}, speakers


def check_words(found: list[dict[str, Any]], said: list[Said] = SAID) -> None:
    """Checks that every word of the recording is there once, in order, at its time."""
    assert [re.sub(r"\W", "", word["text"]).lower() for word in found] == [word.text for word in said]
    for word, truth in zip(found, said, strict=True):
        assert word["start"] == pytest.approx(truth.start, abs=TOLERANCE_SECONDS)
        assert word["end"] == pytest.approx(truth.end, abs=TOLERANCE_SECONDS)
