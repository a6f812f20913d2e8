"""Connections are shared among the addresses of clients: one that opens hundreds shuts nobody else out."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from support.api.raw_http import RawClient, connected, upload_head
from support.api.server import KEY, ApiServer, api_settings, serving_api
from support.waiting import until
from whisperjob_api.http_protocol import ApiProtocol

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
OTHER = "127.0.0.2"
"""Another address of the loopback interface."""


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Server and clients are one process here: each connection needs two descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"this process may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def connected_from(address: str, port: int) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def idle_clients(server: ApiServer, number: int, first_bytes: bytes = b"") -> AsyncIterator[list[RawClient]]:
    """Opens connections of 127.0.0.1 that stay as they are after their first bytes."""
    clients: list[RawClient] = []
    try:
        for _ in range(number):
            clients.append(RawClient(*await asyncio.open_connection("127.0.0.1", server.port)))
            await clients[-1].send(first_bytes)
        yield clients
    finally:
        for client in clients:
            client.vanish()


async def status_of_health(address: str, port: int) -> int:
    async with connected_from(address, port) as client:
        await client.send(HEALTH)
        return (await client.answer()).status


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize(
    "first_bytes",
    [
        pytest.param(b"", id="idle"),
        pytest.param(b"GET /health HT", id="slow heads"),
        pytest.param(upload_head(1000, path="/diarize", content_type="application/json") + b"{", id="slow bodies"),
    ],
)
async def test_500_connections_of_one_address_shut_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_bytes: bytes
) -> None:
    monkeypatch.setattr(ApiProtocol, "stall_seconds", 0.0)
    async with serving_api(tmp_path) as server, idle_clients(server, 500, first_bytes):
        await until(lambda: len(server.uvicorn.server_state.connections) >= 400, "the limit to be reached")
        statuses = [await status_of_health(OTHER, server.port) for _ in range(50)]
        assert statuses == [200] * 50


@pytest.mark.parametrize("key", [KEY, "nobody's"])
async def test_bodies_that_drip_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Each sends a byte now and then, so none of them is ever idle; without a key, each was answered long ago."""
    monkeypatch.setattr(ApiProtocol, "stall_seconds", 0.0)
    head = upload_head(100_000, key=key)
    settings = api_settings(max_connections=5)
    async with serving_api(tmp_path, settings) as server, idle_clients(server, 5, head) as clients:
        for client in clients:
            await client.send(b"x")
        await until(lambda: len(server.uvicorn.server_state.connections) == 5, "the connections")
        for _ in range(3):
            for client in clients:
                with suppress(ConnectionError):
                    await client.send(b"x")
            assert await status_of_health(OTHER, server.port) == 200


async def test_an_idle_connection_gives_way_to_a_new_one_of_the_same_address(tmp_path: Path) -> None:
    async with serving_api(tmp_path, api_settings(max_connections=3)) as server, idle_clients(server, 3) as clients:
        for client in clients:
            await client.send(HEALTH)
            assert (await client.answer()).status == 200
        assert await status_of_health("127.0.0.1", server.port) == 200
        assert await clients[0].closed_by_server()
        await clients[2].send(HEALTH)
        assert (await clients[2].answer()).status == 200


async def test_a_client_whose_requests_are_all_at_work_is_told_to_wait(tmp_path: Path) -> None:
    async with serving_api(tmp_path, api_settings(max_connections=2)) as server:
        async with idle_clients(server, 2, upload_head(1000)):
            await until(lambda: server.upload_gate.in_flight == 2, "the uploads to begin")
            async with connected(server.port) as one_more:
                answer = await one_more.answer()
                assert (answer.status, answer.code) == (503, "unavailable")
                assert int(answer.headers["retry-after"]) > 0
                assert await one_more.closed_by_server()
        await server.settled()
        await until(lambda: not server.uvicorn.server_state.connections, "the connections to close")
        assert await status_of_health("127.0.0.1", server.port) == 200


async def test_a_stalled_request_gives_way_with_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiProtocol, "stall_seconds", 0.0)
    settings = api_settings(max_connections=2)
    async with serving_api(tmp_path, settings) as server, idle_clients(server, 2, upload_head(1000)) as clients:
        await until(lambda: server.upload_gate.in_flight == 2, "the uploads to begin")
        assert await status_of_health(OTHER, server.port) == 200
        answer = await clients[0].answer()
        assert (answer.status, answer.code) == (503, "unavailable")
        await until(lambda: server.upload_gate.in_flight == 1, "the first upload to end")


async def test_a_reader_that_reads_nothing_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApiProtocol, "stall_seconds", 0.0)
    asset = b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    settings = api_settings(max_connections=2)
    async with serving_api(tmp_path, settings) as server, idle_clients(server, 2, asset * 20):
        connections = server.uvicorn.server_state.connections
        await until(
            lambda: sum(isinstance(one, ApiProtocol) and one.flow.write_paused for one in connections) == 2,
            "the buffers to be full",
        )
        assert await status_of_health(OTHER, server.port) == 200


async def test_a_trusted_proxy_has_no_share(tmp_path: Path) -> None:
    """Its connections are those of many clients; a program that opens more by itself gives way first."""
    settings = api_settings(max_connections=5, trusted_proxies="127.0.0.1")
    async with serving_api(tmp_path, settings) as server, idle_clients(server, 3) as through_proxy:
        async with connected_from(OTHER, server.port) as older, connected_from(OTHER, server.port):
            await until(lambda: len(server.uvicorn.server_state.connections) == 5, "five connections")
            assert await status_of_health("127.0.0.3", server.port) == 200
            assert await older.closed_by_server()
        for client in through_proxy:
            await client.send(HEALTH)
            assert (await client.answer()).status == 200
