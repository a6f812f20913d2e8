"""`whisperjob local transcribe`: the real workers on this machine, and a recogniser that knows the talk."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.audio.conversation import conversation
from support.audio.media import ffmpeg
from support.audio.tone_speech import script, write_tones
from support.client.asr_server import KEY, AsrServer, asr_server
from support.programs.environment import unconfigured
from support.programs.processes import children_of, lives
from support.waiting import until_sync

WHISPERJOB = str(Path(sys.executable).with_name("whisperjob"))
SECONDS = 125.0
CHUNKS = 3


@contextmanager
def started(file: Path, asr: AsrServer, *options: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    here = {"GROQ_API_KEY": KEY, "GROQ_BASE_URL": asr.url, "WHISPERJOB_CONFIG": str(file.parent / "config.toml")}
    (file.parent / "config.toml").touch()
    with subprocess.Popen(
        [WHISPERJOB, "local", "transcribe", str(file), *options],
        env={**unconfigured(), **here, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(file: Path, asr: AsrServer, *options: str, code: int = 0, **environment: str) -> str:
    """Returns what it wrote to standard error."""
    with started(file, asr, *options, **environment) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    return err


def test_a_conversation_becomes_text_with_names_without_a_server(tmp_path: Path) -> None:
    talk = conversation()
    file = tmp_path / "call.wav"
    file.write_bytes(talk.file.read_bytes())
    names = [option for name in talk.names for option in ("--speaker-name", name)]
    diarizer = str(talk.diarizer(tmp_path / "diarizer"))
    with asr_server(ear=talk.hear) as asr:
        limit = "1000"  # holds for uploads, not for a recording of this machine
        run(
            file,
            asr,
            *names,
            "--format",
            "json",
            WHISPERJOB_DIARIZER_PYTHON=diarizer,
            WHISPERJOB_MAX_UPLOAD_BYTES=limit,
        )
        run(file, asr, *names, "--format", "txt", WHISPERJOB_DIARIZER_PYTHON=diarizer)
        assert list(asr.received.values()) == [1], "another format sends nothing"
    words = json.loads(file.with_suffix(".json").read_text())["words"]
    assert [word["text"] for word in words] == [word.text for _, word in talk.words]
    assert file.with_suffix(".txt").read_text().startswith("Diane: Hello?\n\nSheila: Hello?\n\nDiane: Oh, hello.")
    left = {path.name for path in file.with_suffix(".whisperjob").rglob("*")}
    assert "service" not in left, "neither the recording nor its MP3s are stored twice"


def test_a_run_killed_half_way_goes_on_and_sends_no_chunk_twice(tmp_path: Path) -> None:
    said = script(SECONDS)
    file = tmp_path / "talk.wav"
    write_tones(file, said, SECONDS)
    options = ("--format", "json", "--parallel", "1", "--max-chunk-seconds", "60", "--profile", "none")
    with asr_server() as asr:
        asr.held, asr.free = True, 1
        with started(file, asr, *options) as process:
            checkpoint = file.with_suffix(".whisperjob")
            until_sync(lambda: list(checkpoint.rglob("answer-*.json")) and asr.in_hand, "one stored, one in flight", 90)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        stored, in_flight = set(asr.answered), asr.received - asr.answered
        asr.release()
        until_sync(lambda: not asr.in_hand, "the stand-in to finish")
        run(file, asr, *options)
        assert {asr.received[sha256] for sha256 in stored} == {1}, "what was stored is not sent again"
        assert sum(asr.received.values()) == CHUNKS + sum(in_flight.values())
    words = json.loads(file.with_suffix(".json").read_text())["words"]
    assert [re.sub(r"\W", "", word["text"]).lower() for word in words] == [word.text for word in said]


def test_each_channel_of_a_call_is_one_person_and_no_diarizer_is_needed(tmp_path: Path) -> None:
    """Two people talk in turns; each is heard more quietly on the channel of the other too."""
    said = script(24)
    people = [[word for word in said if int(word.start / 4) % 2 == who] for who in (0, 1)]
    for who, words in enumerate(people):
        write_tones(tmp_path / f"{who}.wav", words, 24)
    file = tmp_path / "call.wav"
    crosstalk = "[0][1]amerge=inputs=2,pan=stereo|c0=c0+0.4*c1|c1=c1+0.4*c0"
    ffmpeg("-i", tmp_path / "0.wav", "-i", tmp_path / "1.wav", "-filter_complex", crosstalk, file)
    options = ("--multichannel", "--speaker-name", "Anna", "--speaker-name", "Ben", "--profile", "none")
    with asr_server() as asr:
        run(file, asr, *options, "--format", "json")
        assert sum(asr.received.values()) == 2
    found = json.loads(file.with_suffix(".json").read_text())
    heard = [(word["speaker"], re.sub(r"\W", "", word["text"]).lower()) for word in found["words"]]
    assert heard == [(f"CHANNEL_{int(word.start / 4) % 2:02d}", word.text) for word in said]
    assert [speaker["name"] for speaker in found["speakers"]] == ["Anna", "Ben"]


def test_without_a_diarizer_it_says_so_before_any_work(tmp_path: Path) -> None:
    file = tmp_path / "talk.wav"
    write_tones(file, script(8), 8)
    with asr_server() as asr:
        err = run(file, asr, "--diarize", code=2, WHISPERJOB_DIARIZER_PYTHON="/no/python")
        assert err == "The diarizer's interpreter /no/python (WHISPERJOB_DIARIZER_PYTHON) is no program.\n"
        assert not asr.received


def test_names_that_are_missing_are_added_by_another_run(tmp_path: Path) -> None:
    talk = conversation()
    file = tmp_path / "call.wav"
    file.write_bytes(talk.file.read_bytes())
    diarizer = str(talk.diarizer(tmp_path / "diarizer"))
    (tmp_path / "diarizer" / "refuse").touch()
    with asr_server(ear=talk.hear) as asr:
        err = run(file, asr, "--diarize", code=8, WHISPERJOB_DIARIZER_PYTHON=diarizer)
        assert "The diarization failed, so the transcript has no names." in err
        assert file.with_suffix(".txt").read_text().startswith("Hello? Hello? Oh, hello.")
        (tmp_path / "diarizer" / "refuse").unlink()
        run(file, asr, "--diarize", WHISPERJOB_DIARIZER_PYTHON=diarizer)
        assert list(asr.received.values()) == [1], "no word is sent again"
    assert file.with_suffix(".txt").read_text().startswith("Speaker 1: Hello?")


def test_an_interrupted_run_leaves_no_worker(tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    write_tones(file, script(1200), 1200)
    with asr_server() as asr, started(file, asr) as process:
        until_sync(lambda: _named("ffmpeg", process.pid), "ffmpeg to run", 60)
        working = _descendants(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
        until_sync(lambda: not any(lives(pid) for pid in working), "the workers to end")
        assert not asr.received


def _descendants(pid: int) -> list[int]:
    return [one for child in children_of(pid) for one in (child, *_descendants(child))]


def _named(name: str, pid: int) -> bool:
    commands = (Path(f"/proc/{one}/comm") for one in _descendants(pid))
    return any(command.read_text().strip() == name for command in commands if command.exists())
