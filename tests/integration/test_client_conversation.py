"""`whisperjob transcribe` on a real conversation of two people, with the real service and a recogniser that knows it.

Who speaks when comes with the recording; a worker without a model reports it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from support.audio.conversation import Conversation, conversation
from support.client.asr_server import KEY, asr_server
from support.service.serving import served
from support.waiting import until_sync

TOLERANCE_SECONDS = 0.1
LATE_SECONDS = 0.3
"""A subtitle waits until the one before it has been shown long enough."""


@pytest.fixture(scope="module")
def talk() -> Conversation:
    return conversation()


def transcribed(talk: Conversation, folder: Path, diarizer: Path) -> Path:
    """Transcribes the conversation in every format into `folder`, and returns that."""
    shutil.copy(talk.file, folder / "call.wav")
    names = [option for name in talk.names for option in ("--speaker-name", name)]
    formats = [option for name in ("srt", "txt", "json") for option in ("--format", name)]
    with (
        served(folder / "data", {"WHISPERJOB_DIARIZER_PYTHON": str(diarizer)}) as service,
        asr_server(ear=talk.hear) as asr,
    ):
        here = {"WHISPERJOB_URL": service.url, "WHISPERJOB_API_KEY": service.key, "GROQ_API_KEY": KEY}
        done = subprocess.run(
            [sys.executable, "-m", "whisperjob_client", "transcribe", "call.wav", "--diarize", *names, *formats],
            cwd=folder,
            env={**os.environ, **here, "GROQ_BASE_URL": asr.url},
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, done.stderr
        assert list(asr.answered.values()) == [1]
    return folder


@pytest.fixture(scope="module")
def folder(talk: Conversation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the conversation was transcribed in every format."""
    folder = tmp_path_factory.mktemp("conversation")
    return transcribed(talk, folder, talk.diarizer(folder / "diarizer"))


def wrong_speakers(talk: Conversation, folder: Path) -> list[tuple[str, str]]:
    """Returns the words that do not have who says them, with who does."""
    words = json.loads((folder / "call.json").read_text())["words"]
    numbers = {name: f"SPEAKER_{n:02d}" for n, name in enumerate(talk.names)}
    return [(w["text"], name) for w, (name, _) in zip(words, talk.words, strict=True) if w["speaker"] != numbers[name]]


def test_with_the_real_diarizers_turns_every_word_has_its_speaker(talk: Conversation, tmp_path: Path) -> None:
    """The tutorial says so."""
    transcribed(talk, tmp_path, talk.recorded_diarizer(tmp_path / "diarizer"))
    assert wrong_speakers(talk, tmp_path) == []


def test_every_word_has_its_time_and_its_speaker(talk: Conversation, folder: Path) -> None:
    words = json.loads((folder / "call.json").read_text())["words"]
    assert [word["text"] for word in words] == [word.text for _, word in talk.words]
    for found, (_, said) in zip(words, talk.words, strict=True):
        assert found["start"] == pytest.approx(said.start, abs=TOLERANCE_SECONDS)
    assert wrong_speakers(talk, folder) == [], "the words and the turns that come with the recording agree"


def test_the_text_is_the_conversation(talk: Conversation, folder: Path) -> None:
    turns: list[tuple[str, list[str]]] = []
    for name, said in talk.words:
        if not turns or turns[-1][0] != name:
            turns.append((name, []))
        turns[-1][1].append(said.text)
    expected = [f"{name}: {' '.join(words)}" for name, words in turns]
    paragraphs = (folder / "call.txt").read_text().strip().split("\n\n")
    assert [" ".join(paragraph.split()) for paragraph in paragraphs] == expected


def test_the_subtitles_show_each_sentence_while_it_is_said(talk: Conversation, folder: Path) -> None:
    cues = [cue.split("\n") for cue in (folder / "call.srt").read_text().strip().split("\n\n")]
    times = [[_seconds(stamp) for stamp in cue[1].split(" --> ")] for cue in cues]
    assert all(end <= after for (_, end), (after, _) in pairwise(times))
    shown = [word for cue in cues for word in re.sub(r"^\w+: ", "", " ".join(cue[2:])).split()]
    assert shown == [word.text for _, word in talk.words]
    for (start, end), cue in zip(times, cues, strict=True):
        first = re.sub(r"^\w+: ", "", cue[2]).split()[0]
        near = [said for _, said in talk.words if said.text == first and start - LATE_SECONDS <= said.start <= end]
        assert near, f"{cue} while nobody says {first}"


def test_a_long_conversation_killed_half_way_goes_on_and_sends_no_chunk_twice(
    talk: Conversation, tmp_path: Path
) -> None:
    long = talk.repeated(5, tmp_path / "call.wav")
    diarizer = {"WHISPERJOB_DIARIZER_PYTHON": str(long.diarizer(tmp_path / "diarizer"))}
    command = [sys.executable, "-m", "whisperjob_client", "transcribe", "call.wav", "--diarize", "--format", "json"]
    command += ["--max-chunk-seconds", "60", "--parallel", "1"]
    with served(tmp_path / "data", diarizer) as service, asr_server(ear=talk.hear) as asr:
        here = {"WHISPERJOB_URL": service.url, "WHISPERJOB_API_KEY": service.key, "GROQ_API_KEY": KEY}
        environment = {**os.environ, **here, "GROQ_BASE_URL": asr.url}
        asr.held, asr.free = True, 1
        with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
            checkpoint = tmp_path / "call.whisperjob"
            until_sync(lambda: list(checkpoint.rglob("answer-*.json")) and asr.in_hand, "one stored, one in flight", 60)
            process.kill()
        answered, in_flight = set(asr.answered), asr.received - asr.answered
        asr.release()
        until_sync(lambda: not asr.in_hand, "the stand-in to finish")
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=90)
        chunks = service.client.get("/jobs").json()["jobs"][0]["totalChunks"]
        assert chunks > 3
        assert {asr.received[sha256] for sha256 in answered} == {1}
        assert sum(asr.received.values()) == chunks + sum(in_flight.values())
    words = json.loads((tmp_path / "call.json").read_text())["words"]
    assert [word["text"] for word in words] == [word.text for _, word in long.words]
    for found, (_, said) in zip(words, long.words, strict=True):
        assert found["start"] == pytest.approx(said.start, abs=TOLERANCE_SECONDS)
    numbers = {name: f"SPEAKER_{n:02d}" for n, name in enumerate(talk.names)}
    assert [word["speaker"] for word in words] == [numbers[name] for name, _ in long.words]


def _seconds(stamp: str) -> float:
    hours, minutes, seconds = stamp.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
