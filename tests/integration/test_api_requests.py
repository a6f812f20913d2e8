"""What every request has in common, whichever route it goes to: its path, its Host, its encodings, who opens `/`."""

from pathlib import Path

import httpx
import pytest

from support.api.raw_http import Answer, connected, form, part, upload_head
from support.api.server import KEY, ApiServer, serving_api
from support.api.uploads import SOUND, nothing_is_stored, the_job
from whisperjob_api.http_protocol import remove_extra_slashes

FORM = form(part("file", SOUND, "a.wav"))
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def head(target: str, *, method: str = "GET", headers: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n{headers}\r\n".encode()


async def send(server: ApiServer, data: bytes) -> Answer:
    async with connected(server.port) as client:
        await client.send(data)
        return await client.answer()


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("/job/x/", "/job/x"),
        ("//job//x///", "/job/x"),
        ("/", "/"),
        ("///", "/"),
        ("/jobs/?cursor=a//b/", "/jobs?cursor=a//b/"),
        ("http://host:80//stats/?x=//", "http://host:80/stats?x=//"),
        ("http://host", "http://host/"),
        ("/a%2F%2Fb%2f", "/a%2F%2Fb%2f"),
        ("/./a/../b/", "/./a/../b"),
        ("/%2e%2e/", "/%2e%2e"),
        ("*", "*"),
    ],
)
def test_slashes_that_mean_nothing(sent: str, meant: str) -> None:
    assert remove_extra_slashes(sent.encode()) == meant.encode()


async def test_every_path_is_found_with_more_slashes_than_it_has(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(16_000)
        for target in (
            "/health/",
            "//stats",
            f"/job/{job.name}/",
            f"//job//{job.name}//download/output.mp3/",
            "/docs/",
        ):
            assert (await send(server, head(target))).status == 200, target
        assert (await server.client.head(f"/job/{job.name}//")).status_code == 200
        body = b'{"jobId": "%s", "maxSeconds": 0.5}' % job.name.encode()
        posted = head(
            "/demo_trim/", method="POST", headers=f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        assert (await send(server, posted + body)).status == 200
        assert (await send(server, head(f"/job/{job.name}%2F"))).status == 404
        assert (await send(server, head(f"/job/x/../{job.name}"))).status == 404


@pytest.mark.parametrize("path", ["/whisper_optimize/", "//whisper_optimize", "/whisper_optimize//"])
async def test_an_upload_to_a_path_with_more_slashes_is_one_like_all_others(tmp_path: Path, path: str) -> None:
    """It is neither redirected nor limited as a small body is."""
    async with serving_api(tmp_path) as server:
        answer = await send(server, upload_head(len(FORM), path=path) + FORM)
        assert answer.status == 202
        assert (await the_job(server)).spec.source.size_bytes == len(SOUND)


@pytest.mark.parametrize(
    ("hosts", "status"),
    [
        pytest.param("Host: a\r\n", 200, id="one"),
        pytest.param("Host: a:8080\r\n", 200, id="with a port"),
        pytest.param("Host: [::1]:8080\r\n", 200, id="IPv6"),
        pytest.param("Host:\r\n", 200, id="empty"),
        pytest.param("", 400, id="none"),
        pytest.param("Host: a\r\nHost: b\r\n", 400, id="two"),
        pytest.param("Host: a\r\nX: y\r\nhost: a\r\n", 400, id="twice the same"),
        pytest.param("Host: a, b\r\n", 400, id="two in one"),
        pytest.param("Host: http://a/\r\n", 400, id="an address"),
        pytest.param("Host: a@b\r\n", 400, id="with a user"),
    ],
)
async def test_a_request_has_one_host(tmp_path: Path, hosts: str, status: int) -> None:
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(f"GET /health HTTP/1.1\r\n{hosts}\r\n".encode())
        answer = await client.answer()
        assert answer.status == status
        if status == 400:
            assert answer.code == "invalid_request"
            assert "Host" in answer.json["error"]
            assert await client.closed_by_server()


async def test_http_1_0_needs_no_host_but_may_not_have_two(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        assert (await send(server, b"GET /health HTTP/1.0\r\n\r\n")).status == 200
        assert (await send(server, b"GET /health HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n")).status == 400


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param("Content-Encoding: gzip\r\n", 415, "unsupported_encoding", id="gzip"),
        pytest.param("Content-Encoding: BR, identity\r\n", 415, "unsupported_encoding", id="brotli in a list"),
        pytest.param("Content-Encoding: identity\r\n", 202, None, id="identity"),
        pytest.param("Content-Encoding:\r\n", 202, None, id="none"),
        pytest.param("Expect: a-miracle\r\n", 417, "expectation_failed", id="another expectation"),
        pytest.param(
            "Expect: 100-continue, a-miracle\r\n", 417, "expectation_failed", id="one that is known and another"
        ),
    ],
)
async def test_what_the_service_does_not_undo_or_meet_is_refused(
    tmp_path: Path, headers: str, status: int, code: str | None
) -> None:
    async with serving_api(tmp_path) as server:
        answer = await send(server, upload_head(len(FORM), headers=headers) + FORM)
        assert (answer.status, answer.json.get("code")) == (status, code)
        if code:
            assert await nothing_is_stored(server)
        assert ("accept-encoding" in answer.headers) == (status == 415)


async def test_compressed_json_and_compressed_chunks_are_refused_too(tmp_path: Path) -> None:
    json = "Content-Type: application/json\r\nContent-Encoding: deflate\r\nContent-Length: 2\r\n"
    chunks = "Content-Type: audio/mpeg\r\nTransfer-Encoding: gzip, chunked\r\n"
    async with serving_api(tmp_path) as server:
        assert (await send(server, head("/demo_trim", method="POST", headers=json) + b"{}")).status == 415
        sent = head("/whisper_optimize", method="POST", headers=chunks) + b"5\r\nhello\r\n0\r\n\r\n"
        assert (await send(server, sent)).status == 415
        assert (await send(server, head("/stats", headers="Content-Encoding: gzip\r\n"))).status == 200, (
            "it has no body"
        )
        assert await nothing_is_stored(server)


async def test_a_browser_that_opens_the_address_gets_the_documentation(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server, httpx.AsyncClient(base_url=server.client.base_url) as stranger:
        for method in ("GET", "HEAD"):
            answer = await stranger.request(method, "/", headers={"Accept": BROWSER})
            assert (answer.status_code, answer.headers["location"]) == (307, "/docs")
            assert answer.headers["vary"] == "Accept"
        assert (await stranger.get("/docs", headers={"Accept": BROWSER})).status_code == 200
        for accept in ("*/*", "application/json"):
            assert (await stranger.get("/", headers={"Accept": accept})).status_code == 401
            assert (await server.client.get("/", headers={"Accept": accept})).status_code == 404
        assert (await stranger.get("/stats", headers={"Accept": BROWSER})).status_code == 401
        assert (await stranger.post("/", headers={"Accept": BROWSER})).status_code == 401
