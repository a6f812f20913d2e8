"""Requests that no proper client makes, byte by byte: the server before and around the app."""

import asyncio
import json
from pathlib import Path

import pytest

from support.api.raw_http import RawClient, chunked, connected, form, part, upload_head
from support.api.server import KEY, MIB, ApiServer, serving_api
from support.waiting import until
from whisperjob.model import names
from whisperjob_api import request_middleware
from whisperjob_api.http_protocol import ApiProtocol

SOUND = bytes(range(256)) * 400
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
STATS = f"GET /stats HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode()


async def still_serves(server: ApiServer) -> bool:
    return (await server.client.get("/health")).status_code == 200


async def nothing_is_stored(server: ApiServer) -> bool:
    await server.settled()
    return not server.objects() and not await server.jobs()


async def gets_error(client: RawClient, status: int, code: str = "invalid_request") -> bool:
    """Checks that the response is an error with the usual JSON, and the last one on this connection."""
    answer = await client.answer()
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["error"]
    return await client.closed_by_server()


# Heads


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 300_000, id="a header without an end"),
        pytest.param(b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 20_000, id="20,000 headers"),
        pytest.param(b"GET /" + b"a" * 300_000, id="a path without an end"),
        pytest.param(b"\r\n" * 100_000, id="blank lines"),
        pytest.param(
            b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 33_000 + b"\r\n\r\n", id="a whole head, too large"
        ),
    ],
)
async def test_a_head_too_large_is_not_collected(tmp_path: Path, head: bytes) -> None:
    async with serving_api(tmp_path) as server:
        async with connected(server.port) as client:
            client.writer.write(head)
            assert await gets_error(client, 431, "headers_too_large")
        assert await still_serves(server)


async def test_a_head_of_a_usual_size_is_fine(tmp_path: Path) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: x\r\nCookie: " + b"c" * 30_000 + b"\r\n\r\n"
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        for _ in range(3):
            await client.send(head)
            assert (await client.answer()).status == 200


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiProtocol, "head_seconds", 0.3)


@pytest.mark.usefixtures("hasty")
async def test_slow_heads_are_not_waited_for(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        async with connected(server.port) as silent:
            assert await silent.closed_by_server()
        async with connected(server.port) as dripping:
            await dripping.send(b"GET /health HT")
            assert await gets_error(dripping, 408, "request_timeout")
        async with connected(server.port) as second_request:
            await second_request.send(HEALTH + b"GET /hea")
            assert (await second_request.answer()).status == 200
            await second_request.send(b"l")
            assert await gets_error(second_request, 408, "request_timeout")
        async with connected(server.port) as blank_lines:
            await blank_lines.send(HEALTH)
            assert (await blank_lines.answer()).status == 200
            await blank_lines.send(b"\r\n")
            assert await blank_lines.closed_by_server()
        assert await still_serves(server)


@pytest.mark.usefixtures("hasty")
async def test_a_slow_body_is_not_a_slow_head(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(len(body)) + body[:100])
        async with connected(server.port) as silent:
            assert await silent.closed_by_server()  # longer than a head may take
        await client.send(body[100:])
        assert (await client.answer()).status == 202


async def test_a_small_body_that_drips_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_middleware, "BODY_SECONDS", 0.3)
    head = f"POST /demo_trim HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(head.encode() + b'Content-Length: 100\r\n\r\n{"jobId"')
        assert await gets_error(client, 408, "request_timeout")
        assert await still_serves(server)


async def test_a_response_that_is_not_read_is_aborted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiProtocol, "unread_seconds", 0.3)
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        asset = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
        await client.send(asset * 20)  # 30 MB: more than the buffers of a connection hold
        await until(lambda: not server.uvicorn.server_state.connections, "the connection to be given up")
        assert await still_serves(server)


# What is no HTTP, or two kinds of it at once


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", id="length and chunked"),
        pytest.param("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", id="chunked and length"),
        pytest.param("Content-Length: 5\r\nContent-Length: 6\r\n", id="two lengths"),
        pytest.param("Content-Length: 5, 6\r\n", id="two lengths in one"),
        pytest.param("Content-Length: +5\r\n", id="signed length"),
        pytest.param("Content-Length: -5\r\n", id="negative length"),
        pytest.param("Content-Length: 0x5\r\n", id="hexadecimal length"),
        pytest.param("Content-Length : 5\r\n", id="space before the colon"),
        pytest.param("Content-Length: 99999999999999999999999\r\n", id="endless length"),
        pytest.param("Transfer-Encoding: chunked, identity\r\n", id="chunked, but not last"),
        pytest.param("Transfer-Encoding: xchunked\r\n", id="almost chunked"),
        pytest.param("Transfer-Encoding : chunked\r\n", id="chunked with a space"),
        pytest.param("X: a\x00b\r\n", id="NUL in a header"),
        pytest.param("X: a\rb\r\n", id="lone CR"),
    ],
)
async def test_ambiguous_requests_are_refused(tmp_path: Path, head: str) -> None:
    smuggled = b"0\r\n\r\n" + STATS
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        start = f"POST /demo_trim HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n"
        await client.send((start + head + "\r\n").encode("latin-1") + smuggled)
        assert await gets_error(client, 400)


@pytest.mark.parametrize("size", [b"-1", b"g", b"0x5", b"fffffffffffffffff", b"5 5"])
async def test_a_chunk_of_no_size_is_refused(tmp_path: Path, size: bytes) -> None:
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(None) + size + b"\r\nhello\r\n0\r\n\r\n")
        assert await gets_error(client, 400)
        assert await nothing_is_stored(server)


@pytest.mark.parametrize(
    "tail", [b"5;" + b"x" * 300_000, b"0\r\nX-T: " + b"y" * 300_000, b"0\r\n" + b"X: y\r\n" * 20_000]
)
async def test_chunk_extensions_and_trailers_are_not_collected(tmp_path: Path, tail: bytes) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        client.writer.write(upload_head(None) + b"%x\r\n%s\r\n" % (len(body) - 9, body[:-9]) + tail)
        assert await gets_error(client, 431, "headers_too_large")
        assert await nothing_is_stored(server)


async def test_a_trailer_is_no_header(tmp_path: Path) -> None:
    body = chunked(form(part("file", SOUND)))[:-2] + b"X-Forwarded-For: 203.0.113.9\r\n\r\n"
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(None) + body)
        name = (await client.answer()).json["jobId"]
        assert (await server.records.get(name)).spec.client_ip == "127.0.0.1"
        await client.send(HEALTH)
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    "line", [b"CONNECT evil:443 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET ?x HTTP/1.1", b"\x16\x03\x01"]
)
async def test_requests_for_no_path_are_refused(tmp_path: Path, line: bytes) -> None:
    async with serving_api(tmp_path) as server:
        async with connected(server.port) as client:
            await client.send(line + b"\r\nHost: x\r\n\r\n")
            assert (await client.answer()).status in (400, 401)
        assert await still_serves(server)


# Connections


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(
            HEALTH + upload_head(len(body)) + body + STATS * 50 + b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        assert (await client.answer()).json == {"status": "ok", "ffmpeg": True, "diarization": False}
        assert (await client.answer()).status == 202
        for _ in range(50):
            assert (await client.answer()).json["totalJobs"] == 1
        assert (await client.answer()).status == 401


async def test_rubbish_after_a_request_does_not_suppress_its_response(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(HEALTH + b"rubbish\r\n\r\n" * 3)
        answer = await client.answer()
        assert (answer.status, answer.json["status"]) == (200, "ok")
        assert await client.closed_by_server()


async def test_a_connection_goes_on_after_an_error(tmp_path: Path) -> None:
    refused = (
        (b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", 401),
        (f"GET /job/{names.new_job_name()} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode(), 404),
        (b"PUT /health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405),
        (f"POST /demo_trim HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: 2\r\n\r\n{{}}".encode(), 422),
        (upload_head(len(form())) + form(), 400),
    )
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        for request, status in refused:
            await client.send(request)
            answer = await client.answer()
            assert (answer.status, "connection" in answer.headers) == (status, False)
            await client.send(STATS)
            assert (await client.answer()).status == 200


async def test_http_1_0_is_served_and_closed(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server:
        job = await server.completed(16_000)
        path = f"/job/{job.name}/download/output.mp3"
        for request, status in (
            (f"GET {path} HTTP/1.0\r\nX-API-Key: {KEY}\r\n\r\n".encode(), 200),
            (upload_head(len(body)).replace(b"HTTP/1.1", b"HTTP/1.0") + body, 202),
            (b"GET /jobs HTTP/1.0\r\n\r\n", 401),
        ):
            async with connected(server.port) as client:
                await client.send(request)
                answer = await client.answer()
                assert (answer.status, answer.headers["connection"]) == (status, "close")
                assert "transfer-encoding" not in answer.headers
                assert await client.closed_by_server()


async def test_a_client_that_offers_http_2_is_served(tmp_path: Path) -> None:
    """curl --http2 asks to upgrade, and takes no for an answer."""
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        for _ in range(2):
            await client.send(upload_head(len(body), headers=upgrade) + body)
            assert (await client.answer()).status == 202
        await client.send(HEALTH.replace(b"Host", b"Connection: upgrade\r\nUpgrade: websocket\r\nHost") + HEALTH)
        assert (await client.answer()).status == (await client.answer()).status == 200


# Forms


HOSTILE_NAMES = {
    "path": "../../../etc/passwd",
    "windows path": "C:\\Windows\\system32\\cmd.exe",
    "control characters": "a\x01b\x1b[31mc\x7f.mp3",
    "right to left": "gnp.\u202eexe.3pm",
    "NUL as text": "a%00b.mp3",
    "markup": "<script>alert(1)</script>.mp3",
    "shell": "$(rm -rf ~);`id`.mp3",
    "surrogate-like": "a\ufffe\U000e0001.mp3",
    "dots": "..",
    "empty": "",
    "14 kB": "x" * 14_000 + ".mp3",
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
async def test_a_hostile_filename_is_a_name_to_show_and_nothing_else(tmp_path: Path, name: str) -> None:
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        body = form(part("file", SOUND, name))
        await client.send(upload_head(len(body)) + body)
        answer = await client.answer()
        assert answer.status == 202
        job = await server.records.get(answer.json["jobId"])
        shown = job.spec.source.filename
        assert len(shown) <= 255
        assert all(character.isprintable() or character == "\ufffd" for character in shown)
        assert "\u202e" not in shown
        (key,) = server.objects()
        assert key.startswith(names.upload_prefix("default", job.name))
        seen = await server.client.get(f"/job/{job.name}")
        assert seen.json()["originalFilename"] == shown


@pytest.mark.parametrize(
    ("parameter", "status", "shown"),
    [
        pytest.param(b'filename="a\\"b.mp3"', 202, 'a"b.mp3', id="escaped quote"),
        pytest.param(b'filename="a%22b.mp3"', 202, 'a"b.mp3', id="quote as browsers write it"),
        pytest.param(b"filename=a.mp3", 202, "a.mp3", id="no quotes"),
        pytest.param(b'filename="a\xff\xfe.mp3"', 202, "a\xff\xfe.mp3", id="no UTF-8"),
        pytest.param(b"filename*=UTF-8''%e2%82%ac.mp3", 202, "€.mp3", id="filename*"),
        pytest.param(b"filename*=UTF-8''..%2F..%2Fx.mp3", 202, "x.mp3", id="filename* with a path"),
        pytest.param(b'filename="a\0b.mp3"', 202, "a\ufffdb.mp3", id="NUL"),
        pytest.param(b'filename="a\r\nX: y"', None, None, id="line end"),
        pytest.param(b'filename="' + b"x" * 100_000 + b'"', 400, None, id="100 kB"),
        pytest.param(b"filename*=nonsense", None, None, id="filename* that is none"),
        pytest.param(b"filename*=no-such-charset''%ff", None, None, id="filename* of no charset"),
        pytest.param(b'filename="' + b";" * 10_000 + b'"', None, None, id="semicolons"),
        pytest.param(b"; " * 7_000 + b'filename="a"', None, None, id="parameters"),
    ],
)
async def test_any_filename_gets_a_response(
    tmp_path: Path, parameter: bytes, status: int | None, shown: str | None
) -> None:
    body = form(part("file", SOUND)).replace(b'name="file"', b'name="file"; ' + parameter)
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(len(body)) + body)
        answer = await client.answer()
        assert answer.status in ({202, 400} if status is None else {status})
        if shown is not None:
            assert (await server.records.get(answer.json["jobId"])).spec.source.filename == shown
        if answer.status == 400:
            assert answer.code == "invalid_upload"
            assert await nothing_is_stored(server)


BOMBS = {
    "10,000 parts": b"".join(part(f"x{number}", b"") for number in range(10_000)),
    "a preamble of a megabyte": b"x" * MIB + form(part("file", SOUND)),
    "blank lines": b"\r\n" * MIB,
    "boundaries": b"--cutHere" * 100_000,
    "an epilogue": form(part("file", SOUND)) + b"epilogue" * 100_000,
    "2,000 headers of a part": form(part("file", SOUND, "a", "X: y\r\n" * 2_000)),
    "two dispositions": form(part("file", SOUND, "a", "Content-Disposition: form-data; name=other\r\n")),
    "a folded header": form(part("file", SOUND, "a", " folded\r\n")),
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
async def test_a_form_that_is_a_bomb_is_refused_early(tmp_path: Path, body: bytes) -> None:
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        client.writer.write(upload_head(len(body)) + body)
        answer = await client.answer()
        assert (answer.status, answer.code) == (400, "invalid_upload")
        assert await nothing_is_stored(server)


async def test_a_client_that_vanishes_during_a_response_does_no_harm(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(16_000 * 600)
        request = f"GET /job/{job.name}/download/output.mp3 HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode()
        trim = json.dumps({"jobId": job.name, "maxSeconds": 500}).encode()
        head = f"POST /demo_trim HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
        for sent in (request, request * 5, head.encode() + b"Content-Length: %d\r\n\r\n" % len(trim) + trim):
            async with connected(server.port) as client:
                await client.send(sent)
                await asyncio.sleep(0)
                client.vanish()
        await until(
            lambda: len(server.uvicorn.server_state.connections) <= 1 and not server.uvicorn.server_state.tasks,
            "the requests to end",
        )
        assert await still_serves(server)
