"""The client against a hostile service: every answer ends in one sentence, in little memory, and with no file."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import count, repeat
from pathlib import Path
from typing import Any

import pytest

from support.client.hostile_run import KEY, run_client
from support.client.hostile_server import Answer, chunked, head, hostile_server, whole
from whisperjob_client import (
    BadAnswerError,
    Chunk,
    Client,
    ClientError,
    Connection,
    DamagedDownloadError,
    RetryPolicy,
    UnreachableError,
)

JOB_ID = "01234567-89ab-cdef-0123-456789abcdef"
OK = "200 OK"
JSON = "Content-Type: application/json"
BLOCK = bytes(64 * 1024)
QUICK = RetryPolicy(attempts=2, base_seconds=0.01)


def job(**fields: Any) -> bytes:
    return json.dumps({"jobId": JOB_ID, "status": "completed", **fields}).encode()


def bomb(coding: str) -> list[bytes]:
    """4 GiB of zeros."""
    maker = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    start = maker.compress(b" ") + maker.flush(zlib.Z_FULL_FLUSH)
    mebibyte = maker.compress(bytes(1 << 20)) + maker.flush(zlib.Z_FULL_FLUSH)  # needs nothing of what is before it
    return whole(start + mebibyte * 4096, JSON, f"Content-Encoding: {coding}")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        pytest.param(lambda: bomb("gzip"), "larger than 32 MiB", id="gzip bomb"),
        pytest.param(lambda: bomb("deflate"), "larger than 32 MiB", id="deflate bomb"),
        pytest.param(lambda: whole(b"x", "Content-Encoding: br"), "coding that was not requested", id="brotli"),
        pytest.param(lambda: whole(b"x", "Content-Encoding: gzip, gzip"), "coding that was not", id="twice compressed"),
        pytest.param(lambda: whole(b"junk", "Content-Encoding: gzip"), "cannot be read", id="no gzip"),
        pytest.param(lambda: whole(b"{}"), "no WhisperJob answer", id="empty"),
        pytest.param(lambda: _then(head(OK, JSON), chunked(repeat(BLOCK))), "larger than 32 MiB", id="endless chunks"),
        pytest.param(
            lambda: _then(head(OK, JSON), repeat(b"1\r\na\r\n" * 10_000)), "in too many pieces", id="single bytes"
        ),
        pytest.param(
            lambda: _then(head(OK, "Content-Type: text/event-stream"), chunked(repeat(b"data: {}\n\n" * 500))),
            "larger than 32 MiB",
            id="endless events",
        ),
        pytest.param(
            lambda: _then(head(OK, JSON, length=10**15), repeat(BLOCK)), "larger than 32 MiB", id="a petabyte"
        ),
        pytest.param(lambda: _then(b"HTTP/1.1 200 OK\r\n", repeat(b"X-A: b\r\n" * 999)), "broke", id="endless head"),
        pytest.param(lambda: whole(b"[" * 60_000 + b"]" * 60_000), "no WhisperJob answer", id="60,000 levels"),
        pytest.param(lambda: whole(job(x=[{}] * 3_000_000)), "no WhisperJob answer", id="a list of objects"),
        pytest.param(lambda: whole(job(chunks=[{}] * 1_900_000)), "no WhisperJob answer", id="empty chunks"),
        pytest.param(lambda: whole(job(tracks=[{"index": -1}] * 900_000)), "no WhisperJob answer", id="bad tracks"),
        pytest.param(lambda: whole(b"\0" * 1000), "no WhisperJob answer", id="NUL bytes"),
        pytest.param(lambda: whole(b"\xff\xfe" * 1000), "no WhisperJob answer", id="no text"),
        pytest.param(lambda: whole(job(duration=float("nan"))), "no WhisperJob answer", id="NaN"),
        pytest.param(lambda: whole(job().replace(b"}", b',"duration":1e400}')), "no WhisperJob answer", id="1e400"),
        pytest.param(lambda: whole(job(duration=-1)), "no WhisperJob answer", id="negative"),
        pytest.param(lambda: whole(job(duration=1e300)), "no WhisperJob answer", id="longer than the universe"),
        pytest.param(lambda: whole(job().replace(b"}", b',"progress":%s}' % (b"9" * 4000))), "no Whis", id="huge int"),
        pytest.param(lambda: whole(job(chunks={"a": 1})), "no WhisperJob answer", id="mistyped"),
        pytest.param(lambda: whole(job(status=["completed"])), "no WhisperJob answer", id="mistyped state"),
        pytest.param(
            lambda: _then(head("500 Oops"), chunked(repeat(BLOCK))), "The server answered 500", id="endless refusal"
        ),
        pytest.param(lambda: [b"\x16\x03\x01\x02\x00" * 100], "broke", id="no HTTP"),
        pytest.param(lambda: [b""], "broke", id="nothing"),
    ],
)
def test_a_bad_answer_is_one_sentence(answer: Callable[[], Iterable[bytes]], says: str, tmp_path: Path) -> None:
    with hostile_server(lambda _: answer()) as server:
        ended = run_client(server.url, "status", JOB_ID, folder=tmp_path)
    assert says in ended.sentence
    assert (ended.code in (1, 3), ended.out) == (True, "")


def _then(first: bytes, others: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def test_equal_names_in_an_answer_are_no_fault(tmp_path: Path) -> None:
    body = job().replace(b"{", b'{"status":"queued",', 1)
    with hostile_server(lambda _: whole(body, JSON)) as server:
        ended = run_client(server.url, "status", JOB_ID, folder=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "completed" in ended.out


def test_a_good_answer_may_be_compressed() -> None:
    with (
        hostile_server(lambda _: whole(gzip.compress(job()), JSON, "Content-Encoding: gzip")) as server,
        Client(Connection(server.url)) as client,
    ):
        assert client.job(JOB_ID).status == "completed"


def test_a_list_without_end_is_given_up(tmp_path: Path) -> None:
    numbers = count()

    def page(_: str) -> list[bytes]:
        return whole(json.dumps({"jobs": [], "nextCursor": str(next(numbers))}).encode(), JSON)

    with hostile_server(page) as server:
        ended = run_client(server.url, "status", "abc", folder=tmp_path)
    assert (ended.code, ended.sentence) == (1, "The service's list of jobs does not end.")


@pytest.mark.parametrize("cursor", ["a" * 100_000, "a\0b", "\ud800", "\x1b[2J"], ids=["long", "NUL", "half", "ESC"])
def test_an_unusable_cursor_is_no_traceback(cursor: str, tmp_path: Path) -> None:
    with hostile_server(lambda _: whole(json.dumps({"jobs": [], "nextCursor": cursor}).encode(), JSON)) as server:
        assert run_client(server.url, "status", "abc", folder=tmp_path).sentence


def test_the_key_follows_no_redirect_and_no_cookie_is_kept(tmp_path: Path) -> None:
    with hostile_server(lambda _: whole(job(), JSON)) as other:

        def answer(_: str) -> list[bytes]:
            location = f"Location: {other.url}/elsewhere"
            return whole(b"", location, f"Set-Cookie: a={'b' * 4000}", status="307 Temporary Redirect")

        with hostile_server(answer) as server, Client(Connection(server.url, KEY)) as client:
            for _ in range(2):
                with pytest.raises(Exception, match="307"):
                    client.job(JOB_ID)
            assert KEY in server.heads[0]
            assert not any("cookie" in request.lower() for request in server.heads)
    assert other.heads == []


DATA = b"\xff\xfb" + bytes(range(256)) * 400


def chunk(**fields: Any) -> Chunk:
    values = {
        "index": 0,
        "filename": "chunk_000.mp3",
        "size_mb": 0.1,
        "download_url": "/f",
        "start_seconds": 0,
        "duration_seconds": 1,
        "sha256": hashlib.sha256(DATA).hexdigest(),
        **fields,
    }
    return Chunk(**values)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(lambda _: _then(head(length=400 << 20), repeat(BLOCK)), BadAnswerError, id="says too much"),
        pytest.param(lambda _: _then(head(), chunked(repeat(BLOCK))), BadAnswerError, id="says nothing"),
        pytest.param(lambda _: [head(length=len(DATA) * 2), DATA], UnreachableError, id="ends early"),
        pytest.param(lambda _: [head(length=10), DATA], DamagedDownloadError, id="says too little"),
        pytest.param(lambda _: whole(DATA[:-1] + b"x"), DamagedDownloadError, id="another content"),
        pytest.param(lambda _: whole(b"x", "Content-Encoding: br"), BadAnswerError, id="compressed"),
        pytest.param(
            lambda _: whole(DATA, "Content-Range: bytes 5-9/102402", status="206 Partial Content"),
            BadAnswerError,
            id="another range",
        ),
        pytest.param(
            lambda _: whole(DATA, f"Content-Range: bytes 0-9/{10**18}", status="206 Partial Content"),
            BadAnswerError,
            id="a range of a huge file",
        ),
        pytest.param(
            lambda _: whole(b"", status="416 Range Not Satisfiable"), Exception, id="refuses what was not a range"
        ),
        pytest.param(
            lambda _: whole(b"", "Location: http://[::1", status="307 Temporary Redirect"), ClientError, id="nowhere"
        ),
        pytest.param(
            lambda _: whole(b"", "Location: file:///etc/passwd", status="307 Temporary Redirect"),
            BadAnswerError,
            id="a file",
        ),
    ],
)
def test_a_download_stops_at_the_declared_size(answer: Answer, error: type[Exception], tmp_path: Path) -> None:
    with hostile_server(answer) as server, Client(Connection(server.url, KEY, QUICK)) as client:
        with pytest.raises(error):
            client.download(chunk(), tmp_path)
        assert server.sent_bytes < 16 << 20
    left = list(tmp_path.iterdir())
    assert [file.name for file in left] in ([], ["chunk_000.mp3.part"])
    assert all(file.stat().st_size < 300_000 for file in left)


@pytest.mark.parametrize(
    "name",
    [
        "../x.mp3",
        "/etc/x.mp3",
        "a\0.mp3",
        "con.mp3",
        "..",
        "",
        ".",
        "a" * 300 + ".mp3",
        "\x1b[2J.mp3",
        "a\u202e.mp3",
        "a\n",
    ],
)
def test_a_name_that_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    body = job(chunks=[json.loads(chunk(filename="x").to_json()) | {"filename": name}])
    with hostile_server(lambda _: whole(body, JSON)) as server:
        ended = run_client(server.url, "download", JOB_ID, "-o", "out", folder=tmp_path)
        assert len(server.heads) == 1
    assert ended.code == 1
    assert ended.sentence.isprintable()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["//evil/x", "http://evil/x", "/\\evil/x", "/a\0b", ""])
def test_an_address_of_another_server_is_refused(path: str, tmp_path: Path) -> None:
    with hostile_server(lambda _: whole(DATA)) as server, Client(Connection(server.url, KEY, QUICK)) as client:
        with pytest.raises(BadAnswerError):
            client.download(chunk(download_url=path), tmp_path)
        assert server.heads == []
