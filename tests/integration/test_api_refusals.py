"""A refusal reaches clients that read nothing before they have sent everything, and costs the others nothing."""

import asyncio
import http.client
import socket
from pathlib import Path

import pytest

from support.api.raw_http import connected, form, part, upload_head
from support.api.server import KEY, ApiServer, api_settings, serving_api
from support.api.uploads import nothing_is_stored
from whisperjob_api import request_middleware

LIMIT = 500_000
TIMES = 60
FORM_HEADERS = {"Content-Type": "multipart/form-data; boundary=cutHere"}


def post_all(port: int, path: str, body: bytes, headers: dict[str, str], *, chunked: bool = False) -> tuple[int, bytes]:
    """Sends with Python's http.client, which sends everything before it reads a byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    try:
        connection.request("POST", path, pieces if chunked else body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [
        pytest.param("/whisper_optimize", KEY, 413, "too_large", id="upload"),
        pytest.param("/whisper_optimize", "wrong", 401, "unauthorized", id="wrong key"),
        pytest.param("/demo_trim", KEY, 413, "too_large", id="small body"),
        pytest.param("/nowhere", KEY, 404, "not_found", id="no such path"),
    ],
)
async def test_http_client_reads_the_refusal_of_a_body_60_times_the_limit(
    tmp_path: Path, path: str, key: str, status: int, code: str, chunked: bool
) -> None:
    body = form(part("file", bytes(LIMIT * TIMES), "a.wav"))
    headers = {**FORM_HEADERS, "X-API-Key": key} | ({"Transfer-Encoding": "chunked"} if chunked else {})
    async with serving_api(tmp_path, api_settings(max_upload_bytes=LIMIT)) as server:
        seen, answer = await asyncio.to_thread(post_all, server.port, path, body, headers, chunked=chunked)
        assert seen == status
        assert code.encode() in answer
        assert await nothing_is_stored(server)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Content-Encoding": "gzip"}, 415, id="compressed"),
        pytest.param({"Expect": "a-miracle"}, 417, id="expectation"),
        pytest.param({"Host": "a b"}, 400, id="no host"),
        pytest.param({"Content-Length": "99", "Transfer-Encoding": "chunked"}, 400, id="two lengths"),
    ],
)
async def test_http_client_reads_what_is_wrong_with_its_head(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    body = form(part("file", bytes(3_000_000), "a.wav"))
    async with serving_api(tmp_path) as server:
        sent = {**FORM_HEADERS, "X-API-Key": KEY, **headers}
        seen, _ = await asyncio.to_thread(post_all, server.port, "/whisper_optimize", body, sent)
        assert seen == status


async def test_a_client_that_waits_for_100_continue_never_sends_a_body_that_is_too_large(tmp_path: Path) -> None:
    async with serving_api(tmp_path, api_settings(max_upload_bytes=LIMIT)) as server, connected(server.port) as client:
        await client.send(upload_head(LIMIT * TIMES, headers="Expect: 100-continue\r\n"))
        answer = await client.answer()
        assert (answer.status, answer.code) == (413, "too_large")
        assert await client.closed_by_server()


async def test_a_client_that_does_not_wait_for_100_continue_long_enough_reads_the_refusal(tmp_path: Path) -> None:
    """curl sends after a second and .NET after a third of one, whatever has come by then."""
    body = form(part("file", bytes(LIMIT * 10), "a.wav"))
    async with serving_api(tmp_path, api_settings(max_upload_bytes=LIMIT)) as server, connected(server.port) as client:
        await client.send(upload_head(len(body), headers="Expect: 100-continue\r\n") + body)
        answer = await client.answer()
        assert (answer.status, answer.code) == (413, "too_large")
        assert await client.closed_by_server()


async def test_curl_reads_the_refusal(tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    file.write_bytes(bytes(LIMIT * TIMES))
    async with serving_api(tmp_path / "data", api_settings(max_upload_bytes=LIMIT)) as server:
        for extra in ([], ["-H", "Expect:"]):
            command = ["curl", "-sS", "-w", "%{http_code}", "-H", f"X-API-Key: {KEY}", "-F", f"file=@{file}", *extra]
            process = await asyncio.create_subprocess_exec(
                *command, f"http://127.0.0.1:{server.port}/whisper_optimize", stdout=-1, stderr=-1
            )
            output, errors = await process.communicate()
            assert (process.returncode, errors) == (0, b"")
            assert output.endswith(b"413")
            assert b"too_large" in output


def drained_bytes(server: ApiServer, key: str) -> int:
    """Sends a body without an end until the server stops it; returns how much it took."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(upload_head(10**15, key=key))
        sent = 0
        try:
            while True:
                sent += client.send(bytes(100_000))
        except OSError:
            return sent


async def test_a_body_without_an_end_is_not_drained_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_middleware, "STRANGER_DRAIN_SECONDS", 0.2)
    async with serving_api(tmp_path, api_settings(max_upload_bytes=LIMIT)) as server:
        assert await asyncio.to_thread(drained_bytes, server, KEY) > TIMES * LIMIT
        assert await asyncio.to_thread(drained_bytes, server, "wrong") > 0
        await server.settled()
        assert (await server.client.get("/health")).status_code == 200
