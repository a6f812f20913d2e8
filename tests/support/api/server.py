"""The real API for tests: uvicorn with httptools on a loopback socket, a folder store, SQLite records, the cache.

It runs as tasks of the test's own event loop; raw clients send it single bytes.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr

from support.api.completed_jobs import completed_job
from support.waiting import until
from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import JobRecords
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import ObjectStore
from whisperjob_api.admission import UploadGate
from whisperjob_api.app import ApiDependencies, create_app
from whisperjob_api.http_protocol import build_protocol

KEY = "the-long-key-of-alice"
OTHER_KEY = "the-other-long-key-of-bob"
MIB = 1024 * 1024


@dataclass(frozen=True)
class ApiServer:
    """A running API with its dependencies."""

    port: int
    dependencies: ApiDependencies
    client: httpx.AsyncClient
    """Sends alice's key."""
    uvicorn: uvicorn.Server

    @property
    def records(self) -> JobRecords:
        return self.dependencies.records

    @property
    def cache(self) -> RecordCache:
        return self.dependencies.cache

    @property
    def upload_gate(self) -> UploadGate:
        return self.dependencies.upload_gate

    @property
    def store(self) -> ObjectStore:
        return self.dependencies.store

    def objects(self) -> list[str]:
        """Returns the keys of everything visible in the store."""
        return [stored.key for stored in self.store.list("")]

    async def jobs(self) -> list[str]:
        return [record.name for record in (await self.records.list()).items]

    async def completed(self, *chunk_samples: int, **details: Any) -> WhisperJob:
        """Creates a completed job with one real MP3 for each number of samples."""
        job = await completed_job(self.records, self.store, *chunk_samples, **details)
        await until(lambda: self.cache.get(job.name) == job, "the cache to know the job")
        return job

    async def settled(self) -> None:
        """Waits until no upload is in flight."""
        await until(lambda: self.upload_gate.in_flight == 0, "the uploads in flight to end")


def api_settings(**changes: Any) -> ApiSettings:
    keys = (SecretStr(f"alice:{KEY}"), SecretStr(f"bob:{OTHER_KEY}"))
    return ApiSettings(**{"api_keys": keys, "min_free_bytes": 0, **changes})


@asynccontextmanager
async def serving_api(
    folder: Path, settings: ApiSettings | None = None, *, store: ObjectStore | None = None, **changes: Any
) -> AsyncIterator[ApiServer]:
    """Serves until the block ends. `changes` replace fields of `ApiDependencies`."""
    folder.mkdir(exist_ok=True)
    records = await SqliteRecords.open(folder / "jobs.sqlite")
    cache = RecordCache(records)
    dependencies = ApiDependencies(
        records, cache, store or FolderStore(folder / "store"), settings or api_settings(), lambda: True
    )
    dependencies = replace(dependencies, **changes)
    # With TCP as a number, because asyncio turns Nagle's algorithm off for such sockets only.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(dependencies),
        http=build_protocol(dependencies.settings),
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        access_log=False,
    )
    server = uvicorn.Server(config)
    watching = asyncio.create_task(cache.run())
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started and cache.synced, "the API to start")
        port = listener.getsockname()[1]
        base_url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base_url, headers={"X-API-Key": KEY}, timeout=20) as client:
            yield ApiServer(port, dependencies, client, server)
    finally:
        server.should_exit = True
        server.force_exit = True
        watching.cancel()
        await asyncio.wait([running, watching])
        await records.close()
