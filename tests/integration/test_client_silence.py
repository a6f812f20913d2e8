"""Silence is not text: what is silent is not sent, and what was made up in it is left out."""

import json
from pathlib import Path

import pytest

from support.audio.tone_speech import Said, write_tones
from support.client.asr_server import AsrServer
from support.client.proxy import Network
from support.client.talk import SAID, SECONDS, SHORT, Talk, check_words
from support.service.serving import Service

pytest_plugins = ["support.client.fixtures"]


@pytest.fixture
def silent(tmp_path: Path, net: Network, service: Service, asr: AsrServer) -> Talk:
    """Eight seconds in which nothing can be heard, and a recogniser that hears something."""
    file = tmp_path / "silence.wav"
    write_tones(file, [], 8)
    asr.ear = lambda audio: ([[Said("you", 1.0, 1.5)]], 8.0)
    return Talk(tmp_path, file, net.url, service.key, asr)


def test_silence_is_not_sent_and_gives_empty_files(silent: Talk, asr: AsrServer) -> None:
    formats = [option for name in ("txt", "srt", "vtt", "json", "md") for option in ("--format", name)]
    out, _ = silent.run(*formats, "--json")
    notes = json.loads(out)["notes"]
    assert "Nothing was sent to the speech recogniser, because nothing can be heard." in notes
    assert "Nobody speaks in this recording: the transcript is empty." in notes
    assert not asr.received
    files = {name: silent.file.with_suffix(f".{name}").read_text() for name in ("txt", "srt", "vtt", "md")}
    assert files == {"txt": "", "srt": "", "vtt": "WEBVTT\n", "md": "# talk.wav\n"}
    transcript = silent.transcript()
    assert transcript["words"] == transcript["paragraphs"] == transcript["speakers"] == []


def test_in_a_silent_recording_nobody_is_looked_for(silent: Talk, net: Network, asr: AsrServer) -> None:
    net.diarization_error = "Diarization failed: no model."
    for _ in range(2):
        out, _ = silent.run("--diarize", "--format", "json", "--json")
        assert "speakersMissing" not in json.loads(out)
        assert "Nobody speaks in this recording: the transcript is empty." in json.loads(out)["notes"]
    assert silent.transcript()["words"] == []
    assert not [request for request in net.requests if "diarize" in request]
    silent.run("--diarize", "--format", "json", "--keep-doubtful", code=8)
    assert net.requests["POST /diarize"], "who keeps all words wants to know whose they are"


def test_silence_is_sent_on_request(silent: Talk, asr: AsrServer) -> None:
    silent.run("--format", "txt", "--keep-doubtful")
    assert sum(asr.answered.values()) == 1
    assert silent.file.with_suffix(".txt").read_text() == "you\n"
    silent.run("--format", "txt")
    assert silent.file.with_suffix(".txt").read_text() == "", "the stored answer is not used without the request"


def test_a_silent_chunk_is_not_sent(tmp_path: Path, net: Network, service: Service, asr: AsrServer) -> None:
    file = tmp_path / "half.wav"
    said = [word for word in SAID if word.end < 28]  # no chunk ends before 30 s
    write_tones(file, said, SECONDS)
    talk = Talk(tmp_path, file, net.url, service.key, asr)
    _, err = talk.run("--format", "json")
    assert sum(asr.received.values()) == 1
    assert "Note: Of 3 chunks, 2 chunks are silent and were not sent to the speech recogniser." in err
    check_words(talk.transcript()["words"], said)


def test_notes_are_about_the_transcript_that_is_left(short: Talk, net: Network, asr: AsrServer) -> None:
    net.speakers = {"segments": [], "exclusive": [], "num_speakers": 0, "total_segments": 0}
    net.diarization_held, asr.marks = True, {"no_speech_prob": 0.8, "avg_logprob": -1.5}
    with short.started("--format", "json", "--diarize") as process:
        assert process.stderr is not None
        early = process.stderr.readline()
        assert "the speakers follow" in early
        assert {word["doubt"] for word in short.transcript()["words"]} == {"silence"}
        net.diarization_held = False
        _, err = process.communicate(timeout=60)
    notes = [line for line in err.splitlines() if line.startswith("Note: ")]
    assert notes == [
        f"Note: {len(SHORT)} words were left out: nobody was heard there, and the recogniser was not sure "
        "(--keep-doubtful keeps them).",
        "Note: Nobody speaks in this recording: the transcript is empty.",
    ]


def test_where_the_diarizer_heard_nobody_doubtful_words_are_left_out(short: Talk, net: Network, asr: AsrServer) -> None:
    net.speakers = {"segments": [], "exclusive": [], "num_speakers": 0, "total_segments": 0}
    asr.marks = {"no_speech_prob": 0.8}
    _, err = short.run("--format", "json", "--diarize")
    assert "Note: Nobody speaks in this recording: the transcript is empty." in err
    assert short.transcript()["words"] == []
    short.run("--format", "json", "--diarize", "--keep-doubtful")
    check_words(short.transcript()["words"], SHORT)
    assert {word["doubt"] for word in short.transcript()["words"]} == {"nobody_heard"}
