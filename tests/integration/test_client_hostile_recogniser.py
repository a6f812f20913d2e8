"""A hostile speech recogniser: every answer ends in one sentence, in little memory, and nothing bad is stored."""

import hashlib
import json
import os
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

import pytest

from support.client.hostile_run import run_client
from support.client.hostile_server import chunked, head, hostile_server, whole

SOUND = b"\xff\xf3" + bytes(4000)
JOB_ID = "01234567-89ab-cdef-0123-456789abcdef"
CHUNK = {
    "index": 0,
    "filename": "optimized.mp3",
    "sizeMB": 0.0,
    "downloadUrl": "/sound",
    "startSeconds": 0,
    "durationSeconds": 10,
    "sha256": hashlib.sha256(SOUND).hexdigest(),
}
JOB = {"jobId": JOB_ID, "status": "completed", "duration": 10, "chunks": [CHUNK]}


def service(request: str) -> list[bytes]:
    """A good service with one chunk of ten seconds."""
    if request.startswith("GET /sound"):
        return whole(SOUND)
    if request.startswith("POST"):
        return whole(json.dumps({"jobId": JOB_ID, "status": "queued"}).encode(), status="202 Accepted")
    return whole(json.dumps(JOB).encode())


def words(count: int) -> bytes:
    return json.dumps({"text": "", "words": [{"word": "a", "start": 0, "end": 1}] * count}).encode()


def _endless(piece: bytes, *fields: str) -> Iterable[bytes]:
    yield head("200 OK", *fields)
    yield from chunked(repeat(piece))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(lambda: _endless(b'{"text": "' + b"a" * 65536), "larger than 16 MiB", id="endless"),
        pytest.param(
            lambda: _endless(b"data: {}\n\n" * 1000, "Content-Type: text/event-stream"), "larger than", id="events"
        ),
        pytest.param(lambda: whole(words(300_000)), "more text than anybody says in 10 s", id="words"),
        pytest.param(lambda: whole(json.dumps({"text": "a" * 15_000_000}).encode()), "more text", id="text"),
        pytest.param(lambda: whole(b'{"text":' + b"[" * 60_000), "nested too deep", id="deep"),
        pytest.param(lambda: whole(b'{"text":"","x":[' + b"{}," * 3_000_000 + b"{}]}"), "too many values", id="wide"),
        pytest.param(
            lambda: whole(b'{"parts":[{"start":0,"seconds":1e300,"answer":{}}]}'), "no transcription", id="parts"
        ),
        pytest.param(lambda: whole(b"\x1b]0;owned\x07\x1b[2J{", status="400 \x1b[2J"), "answered 400", id="control"),
        pytest.param(
            lambda: whole(b"{}", "Content-Type: text/plain; charset=undefined"), "no transcription", id="charset"
        ),
        pytest.param(lambda: whole(b"no", "Retry-After: 1e18", status="429 Slow"), "answered 429", id="wait for ever"),
    ],
)
def test_an_answer_that_is_none_is_one_sentence(answer: object, says: str, tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    with hostile_server(service) as good, hostile_server(lambda _: answer()) as bad:  # type: ignore[operator]  # a row
        ended = run_client(
            good.url, "transcribe", "talk.wav", "--asr-url", f"{bad.url}/v1", "--model", "m", folder=tmp_path
        )
    assert "Traceback" not in ended.err
    assert ended.code == 7, ended.err
    assert says in ended.err.strip().splitlines()[-1]
    assert "\x1b" not in ended.err
    assert not (tmp_path / "talk.txt").exists()
    assert not list(tmp_path.rglob("answer-*"))
    assert not list(tmp_path.rglob("*.part"))


def test_what_is_written_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "talk.wav").write_bytes(b"RIFF")
    old = os.umask(0o022)
    try:
        with hostile_server(service) as good, hostile_server(lambda _: whole(b'{"text": "Hello."}')) as recogniser:
            ended = run_client(
                good.url, "transcribe", "talk.wav", "-f", "txt,json", "--asr-url", f"{recogniser.url}/v1",
                "--model", "m", folder=tmp_path,
            )  # fmt: skip
    finally:
        os.umask(old)
    assert ended.code == 0, ended.err
    written = [path for path in tmp_path.rglob("*") if path.name != "talk.wav"]
    assert {path.name for path in written} >= {"talk.txt", "talk.json", "talk.whisperjob"}
    assert {oct(path.stat().st_mode & 0o077) for path in written if path.name.startswith("talk")} == {"0o0"}
    assert {oct(path.stat().st_mode & 0o077) for path in (tmp_path / "talk.whisperjob").rglob("*")} == {"0o0"}
