"""What one tenant does to the requests of another: latencies beside those of a quiet service."""

import asyncio
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from bench.serving import service

_KEYS = {tenant: f"a-key-that-only-{tenant}-has-0123456789" for tenant in ("alice", "bob")}
_ENVIRONMENT = {"WHISPERJOB_API_KEYS": ",".join(f"{tenant}:{key}" for tenant, key in _KEYS.items())}
_BOB_ADDRESS = "127.0.0.2"
_SAMPLES = 200
_FILE_BYTES = 2_000_000
_ROUNDS = 3

Request = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds: the median and the 95th percentile. `failed` requests had another answer than they should have."""

    name: str
    median: float
    high: float
    failed: int


def sharing(folder: Path) -> list[tuple[Latency, Latency]]:
    """Measures bob's requests alone and beside what alice does, by turns: the best of three rounds of each."""
    _allow_descriptors(4096)
    with tempfile.TemporaryDirectory(dir=folder) as data, service(Path(data), _ENVIRONMENT) as client:
        return asyncio.run(_measure(str(client.base_url)))


def _allow_descriptors(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


async def _measure(url: str) -> list[tuple[Latency, Latency]]:
    transport = httpx.AsyncHTTPTransport(local_address=_BOB_ADDRESS, limits=httpx.Limits(max_keepalive_connections=0))
    async with httpx.AsyncClient(
        base_url=url, headers={"X-API-Key": _KEYS["bob"]}, transport=transport, timeout=60
    ) as bob:

        async def look() -> bool:
            return (await bob.get("/jobs")).status_code == 200

        async def upload() -> bool:
            answer = await bob.post(
                "/whisper_optimize", content=bytes(_FILE_BYTES), headers={"Content-Type": "application/octet-stream"}
            )
            return answer.status_code == 202

        situations: tuple[tuple[str, Request, int, Callable[[], AbstractAsyncContextManager[None]]], ...] = (
            ("`GET /jobs` beside 500 idle connections", look, _SAMPLES, lambda: _connections(url, 500, b"")),
            ("2 MB upload beside 16 stalled uploads", upload, 10, lambda: _connections(url, 16, _upload_head())),
            ("`GET /jobs` beside 50 clients that never pause", look, _SAMPLES, lambda: _flood(url, 50)),
        )
        found = []
        for name, request, samples, other in situations:
            quiet, beside = [], []
            for _ in range(_ROUNDS):
                quiet.append(await _latency("quiet", request, samples))
                async with other():
                    beside.append(await _latency(name, request, samples))
            found.append((_best(quiet), _best(beside)))
        return found


def _best(rounds: list[Latency]) -> Latency:
    """Returns the round that other programs on this machine have disturbed least, with the failures of all."""
    best = min(rounds, key=lambda one: one.median)
    return replace(best, failed=sum(one.failed for one in rounds))


async def _latency(name: str, request: Request, samples: int) -> Latency:
    seconds, failed = [], 0
    for _ in range(samples):
        began = time.perf_counter()
        try:
            failed += not await request()
        except httpx.TransportError:
            failed += 1
        seconds.append(time.perf_counter() - began)
    return Latency(name, statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1], failed)


def _upload_head() -> bytes:
    lines = (
        "POST /whisper_optimize HTTP/1.1",
        "Host: localhost",
        f"X-API-Key: {_KEYS['alice']}",
        "Content-Type: application/octet-stream",
        "Content-Length: 1000000",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@asynccontextmanager
async def _connections(url: str, number: int, first_bytes: bytes) -> AsyncIterator[None]:
    """Opens connections of alice's that stay as they are after their first bytes."""
    address = httpx.URL(url)
    async with AsyncExitStack() as stack:
        for _ in range(number):
            _, writer = await asyncio.open_connection(address.host, address.port)
            stack.callback(writer.transport.abort)
            writer.write(first_bytes)
        await asyncio.sleep(4)  # they are judged only after some seconds
        yield


@asynccontextmanager
async def _flood(url: str, clients: int) -> AsyncIterator[None]:
    """Sends alice's requests from a process of their own, so that only the service is shared."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing; it sends the requests: apt-get install wrk")
    command = ["wrk", "-t1", f"-c{clients}", "-d600s", "-H", f"X-API-Key: {_KEYS['alice']}", f"{url}/jobs"]
    flood = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    try:
        await asyncio.sleep(2)
        yield
    finally:
        flood.terminate()
        await flood.wait()
