"""Faults of recognisers over real HTTP: what the client makes of each answer, and that nothing bad is kept."""

import gzip
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from support.client.asr_dialects import Dialect, DialectServer, Reply, Request, dialect_server
from whisperjob_client.errors import SpeechError
from whisperjob_client.speech.openai_api import OpenAiRecogniser
from whisperjob_client.speech.paced_recogniser import PacedRecogniser
from whisperjob_client.speech.rate_limits import UNLIMITED, Limits, Pace
from whisperjob_client.speech.recogniser import SpeechOptions, SpeechTooLongError, SpeechUnavailableError
from whisperjob_client.transcription.answer_memo import AnswerMemo
from whisperjob_client.transcription.checkpoint import Checkpoint
from whisperjob_client.transcription.file_recognition import FileRecognition
from whisperjob_client.transcription.options import Watcher

TEXT = {"text": "Hello there."}


class Waits:
    """A watcher that records what was waited for, and notes."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.notes: list[str] = []

    def waiting(self, seconds: float, reason: str) -> None:
        self.waits.append(seconds)

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def _ignore(self, *_: Any) -> None: ...

    hashed = uploaded = working = recognising = recognised = sent = returned = diarizing = _ignore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "chunk.mp3"
    file.write_bytes(b"\xff\xf3" + bytes(2000))
    return file


def recognise(server: DialectServer, file: Path, address: str = "/v1", *, times: int = 1) -> dict[str, Any]:
    """Sends the file some times with one recogniser, and returns the last answer."""

    async def run() -> dict[str, Any]:
        recogniser = OpenAiRecogniser(SpeechOptions("m", prompt="Anna", endpoint=f"{server.url}{address}"), "key", 30)
        try:
            answers = [await recogniser.recognise(file) for _ in range(times)]
        finally:
            await recogniser.close()
        return answers[-1]

    return anyio.run(run)


def replying(reply: Reply) -> Dialect:
    return lambda _: reply


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(TEXT), id="JSON"),
        pytest.param(Reply(json.dumps(TEXT), kind="text/plain"), id="JSON as text/plain"),
        pytest.param(Reply("\ufeff" + json.dumps(TEXT), kind="application/json; charset=utf-8"), id="with a BOM"),
        pytest.param(Reply("Hello there.\n", kind="text/html; charset=utf-8"), id="text as text/html"),
        pytest.param(Reply("Hello there.", kind="text/plain; charset=x-none"), id="an unknown charset"),
        pytest.param(
            Reply(gzip.compress(json.dumps(TEXT).encode()), kind="bytes", headers={"Content-Encoding": "gzip"}),
            id="gzip",
        ),
    ],
)
def test_a_transcription_in_any_wrapping_is_read(file: Path, reply: Reply) -> None:
    with dialect_server(replying(reply)) as server:
        assert recognise(server, file) == TEXT


def test_text_is_read_in_its_charset(file: Path) -> None:
    reply = Reply("Zoë dürfte".encode("iso-8859-1"), kind="text/plain; charset=iso-8859-1")
    with dialect_server(replying(reply)) as server:
        assert recognise(server, file) == {"text": "Zoë dürfte"}


def moved(location: Callable[[Request], str], status: int = 308) -> Dialect:
    def dialect(request: Request) -> Reply:
        if request.path.startswith("/new/"):
            return Reply(TEXT)
        return Reply("moved", status, "text/plain", {"Location": location(request)})

    return dialect


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_on_the_same_host_is_followed_once_for_all_files(file: Path, status: int) -> None:
    with dialect_server(moved(lambda request: f"/new{request.path}", status)) as server:
        assert recognise(server, file, times=3) == TEXT
    assert server.refused == [status]


@pytest.mark.parametrize(
    ("dialect", "address", "words"),
    [
        pytest.param(
            moved(lambda _: "https://elsewhere.example/x"),
            "/v1",
            "redirects to https://elsewhere.example/x, where neither the recording nor the key is sent",
            id="a redirect elsewhere",
        ),
        pytest.param(moved(lambda request: request.path), "/v1", "redirects again and again", id="a loop"),
        pytest.param(
            replying(Reply({"detail": "Not Found"}, 404)),
            "",
            "There is no speech recogniser at .*/v1/audio/transcriptions, .*/audio/transcriptions, .*/inference "
            r"\(the answer was 404: Not Found\)",
            id="no recogniser anywhere",
        ),
        pytest.param(
            replying(Reply("<!doctype html><title>Home</title>", kind="text/html")),
            "/v1",
            r"answered with an HTML page \(Home\) instead of a transcription",
            id="a page",
        ),
        pytest.param(
            replying(Reply({"error": "failed to read WAV file"})),
            "/inference",
            "failed to read WAV",
            id="an error in a 200",
        ),
        pytest.param(
            replying(Reply({"error": {"message": "The model `m` does not exist", "code": "model_not_found"}}, 404)),
            "",
            "does not exist. Choose a model that the server has",
            id="no such model",
        ),
    ],
)
def test_what_is_no_transcription_ends_with_a_sentence(file: Path, dialect: Dialect, address: str, words: str) -> None:
    with dialect_server(dialect) as server, pytest.raises(SpeechError, match=words):
        recognise(server, file, address)


def test_a_broken_compression_counts_as_no_answer(file: Path) -> None:
    reply = Reply(b"no gzip", kind="bytes", headers={"Content-Encoding": "gzip"})
    with dialect_server(replying(reply)) as server, pytest.raises(SpeechUnavailableError, match="No answer from"):
        recognise(server, file)


def test_the_reason_is_that_of_the_first_guess(file: Path) -> None:
    """A refusal that names nothing is followed by simpler requests; if none helps, the first one's words are shown."""

    def dialect(_: Request) -> Reply:
        return Reply({"error": f"refusal {len(server.refused)}"}, 400)

    with dialect_server(dialect) as server, pytest.raises(SpeechError, match="400: refusal 0"):
        recognise(server, file)
    assert server.refused == [400] * 4


def test_files_that_are_sent_at_once_find_out_together(file: Path) -> None:
    """None of eight waits for another, and the ninth knows what they found out."""

    def dialect(request: Request) -> Reply:
        if request.value("response_format") != "json" or "prompt" in request.form:
            field = "response_format" if request.value("response_format") != "json" else "prompt"
            return Reply({"error": f"{field} is not supported"}, 400)
        return Reply(TEXT)

    async def run(url: str) -> list[str]:
        recogniser = OpenAiRecogniser(SpeechOptions("m", prompt="Anna", endpoint=url), None, 30)
        try:
            async with anyio.create_task_group() as tasks:
                for _ in range(8):
                    tasks.start_soon(recogniser.recognise, file)
            refused = len(server.refused)
            await recogniser.recognise(file)
            assert len(server.refused) == refused
        finally:
            await recogniser.close()
        return recogniser.notes

    with dialect_server(dialect) as server:
        notes = anyio.run(run, f"{server.url}/v1")
    assert sum(server.answered.values()) == 9
    assert len(server.refused) <= 16
    assert notes == ["The recogniser takes no prompt; it was left out."]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply({"error": {"message": "No credit", "code": "insufficient_quota"}}, 429), id="no credit"),
        pytest.param(Reply({"error": "failed to read WAV file"}), id="an error in a 200"),
        pytest.param(Reply("<html><title>Login</title></html>", kind="text/html"), id="a page"),
    ],
)
def test_a_final_refusal_is_neither_waited_out_nor_stored(tmp_path: Path, file: Path, reply: Reply) -> None:
    checkpoint = Checkpoint(tmp_path / "checkpoint", "ab" * 32)
    checkpoint.folder.mkdir(parents=True)
    waits = Waits()
    watcher: Watcher = waits

    async def run(url: str) -> None:
        options = SpeechOptions("m", endpoint=url)
        recogniser = OpenAiRecogniser(options, None, 30)
        paced = PacedRecogniser(recogniser, Pace(UNLIMITED), watcher)
        try:
            await FileRecognition(paced, AnswerMemo(checkpoint, options), watcher).recognise(file, "cd" * 32, 30)
        finally:
            await recogniser.close()

    with dialect_server(replying(reply)) as server:
        with pytest.raises(SpeechError):
            anyio.run(run, f"{server.url}/v1")
        assert len(server.refused) + sum(server.answered.values()) == 1
    assert not waits.waits
    assert not list(checkpoint.folder.iterdir())


def test_a_file_that_is_refused_as_too_long_does_not_count_against_the_limits(file: Path) -> None:
    pace = Pace(Limits(requests_per_minute=1, audio_seconds_per_hour=100))

    async def run(url: str) -> None:
        recogniser = OpenAiRecogniser(SpeechOptions("m", endpoint=url), None, 30)
        try:
            await PacedRecogniser(recogniser, pace, Waits()).recognise(file, 90)
        finally:
            await recogniser.close()

    reply = Reply("too large", 413, "text/plain")
    with dialect_server(replying(reply)) as server, pytest.raises(SpeechTooLongError):
        anyio.run(run, f"{server.url}/v1")
    assert pace.delay(time.time(), 90) == 0
