"""A checkpoint's files keep their names and their form, so that the folders of earlier versions can be continued."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from whisperjob_client import SpeechError, UploadOptions
from whisperjob_client.speech.rate_limits import Booking
from whisperjob_client.speech.recogniser import SpeechOptions
from whisperjob_client.transcript import recogniser_answers
from whisperjob_client.transcription import answer_memo
from whisperjob_client.transcription.answer_memo import AnswerMemo
from whisperjob_client.transcription.checkpoint import Checkpoint, StoredAnswer, StoredJob, StoredSpeakers

SOURCE = "ab" * 32
CHUNK = "cd" * 32
SPEECH = SpeechOptions("whisper-large-v3", "en")
JOB_KEY = {"server": "http://127.0.0.1:8080", **UploadOptions("none", 60).to_key()}
ANSWER = {"text": "Hello there.", "x_groq": {"id": "1"}}

STORED = {
    "job-392034b5ff57bbd9.json": {"idempotency_key": "k", "job_id": "j"},
    "answer-694c408593df9f67.json": {"endpoint": "groq", "sent_at": 5.0, "seconds": 10.0, "answer": ANSWER},
    "speakers-be6e0b48783f9584.json": {
        "job_id": "j",
        "result": {"segments": [{"start": 0.0, "end": 1.0, "speaker": "SPEAKER_00"}], "num_speakers": 1},
    },
}
"""Written by the first version."""


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    checkpoint = Checkpoint(tmp_path, SOURCE)
    checkpoint.folder.mkdir()
    return checkpoint


def write_stored(checkpoint: Checkpoint) -> None:
    for name, content in STORED.items():
        (checkpoint.folder / name).write_text(json.dumps(content))


def test_the_files_of_an_earlier_version_are_found(checkpoint: Checkpoint) -> None:
    write_stored(checkpoint)
    assert checkpoint.folder.name == "ab" * 8
    assert checkpoint.job(JOB_KEY) == StoredJob(idempotency_key="k", job_id="j")
    speakers = checkpoint.speakers(JOB_KEY | {"numSpeakers": 2})
    assert speakers is not None
    assert speakers.result.segments[0].speaker == "SPEAKER_00"
    memo = AnswerMemo(checkpoint, SPEECH)
    assert memo.get(CHUNK) == recogniser_answers.parse_answer(ANSWER)
    assert memo.bookings() == [Booking(5.0, 10.0)]


def test_the_files_are_written_as_before(checkpoint: Checkpoint) -> None:
    checkpoint.store_job(JOB_KEY, StoredJob(idempotency_key="k", job_id="j"))
    AnswerMemo(checkpoint, SPEECH).add(CHUNK, ANSWER, Booking(5.0, 10.0))
    speakers = StoredSpeakers.model_validate(STORED["speakers-be6e0b48783f9584.json"])
    checkpoint.store_speakers(JOB_KEY | {"numSpeakers": 2}, speakers)
    assert {file.name: json.loads(file.read_text()) for file in checkpoint.folder.iterdir()} == STORED


def test_another_track_is_another_job(checkpoint: Checkpoint) -> None:
    write_stored(checkpoint)
    for options in (UploadOptions("none", 60, track="1"), UploadOptions("none", 60, language="de")):
        assert checkpoint.job({"server": JOB_KEY["server"], **options.to_key()}) is None


def test_an_answer_is_parsed_once(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[object] = []

    def count(body: object, seconds: float) -> recogniser_answers.ChunkAnswer:
        parsed.append(body)
        return recogniser_answers.parse_answer(body, seconds)

    monkeypatch.setattr(answer_memo, "parse_answer", count)
    memo = AnswerMemo(checkpoint, SPEECH)
    assert memo.get(CHUNK) is None
    assert memo.add(CHUNK, ANSWER, Booking(0, 10)) is memo.get(CHUNK)
    later = AnswerMemo(checkpoint, SPEECH)
    assert later.get(CHUNK) is later.get(CHUNK)
    assert parsed == [ANSWER, ANSWER], "once when it arrived, once when a later run read it"


@pytest.mark.parametrize("answer", [{}, {"error": "no"}])
def test_what_is_no_transcription_is_not_stored(checkpoint: Checkpoint, answer: dict[str, Any]) -> None:
    memo = AnswerMemo(checkpoint, SPEECH)
    with pytest.raises(SpeechError):
        memo.add(CHUNK, answer, Booking(0, 10))
    assert list(checkpoint.folder.iterdir()) == []


def test_a_stored_answer_that_cannot_be_read_counts_as_missing(checkpoint: Checkpoint) -> None:
    key = {"chunk": CHUNK, **asdict(SPEECH)}
    checkpoint.store_answer(key, StoredAnswer(endpoint="groq", sent_at=0, seconds=10, answer={"error": "no"}))
    assert AnswerMemo(checkpoint, SPEECH).get(CHUNK) is None
    (file,) = checkpoint.folder.iterdir()
    file.write_text("{")
    assert AnswerMemo(checkpoint, SPEECH).get(CHUNK) is None
