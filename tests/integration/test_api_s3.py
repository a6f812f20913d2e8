"""The API on a bucket: what a folder makes easy must hold there too."""

import asyncio
import hashlib
from pathlib import Path

import httpx
import pytest

from support.api.completed_jobs import RATE, mp3_of
from support.api.raw_http import connected, form, part, upload_head
from support.api.server import KEY, serving_api
from support.stores.minio_server import MinioServer
from support.waiting import until
from whisperjob.stores.open import open_store
from whisperjob_client import AsyncClient, Client, Connection

SOUND = bytes(range(256)) * 80_000
"""20 MB: several parts of a multipart upload."""


async def test_a_sender_that_vanishes_late_leaves_nothing_in_the_bucket(
    tmp_path: Path, minio_server: MinioServer
) -> None:
    store = open_store(minio_server.settings(), tmp_path)
    body = form(part("file", SOUND, "a.wav"))
    async with serving_api(tmp_path, store=store) as server:
        for sent in (len(body) - 1, len(body) * 99 // 100):
            async with connected(server.port) as client:
                await client.send(upload_head(len(body)) + body[:sent])
                await until(lambda: server.upload_gate.in_flight == 1, "the upload to begin")
                client.vanish()
            await server.settled()
            assert not await asyncio.to_thread(server.objects)
            assert not await server.jobs()
        async with connected(server.port) as client:
            await client.send(upload_head(len(body)) + body)
            assert (await client.answer(30)).status == 202
        (name,) = await server.jobs()
        source = (await server.records.get(name)).spec.source
        assert (source.size_bytes, source.sha256) == (len(SOUND), hashlib.sha256(SOUND).hexdigest())
        assert await asyncio.to_thread(server.objects) == [source.key]


async def test_results_come_out_of_a_bucket(tmp_path: Path, minio_server: MinioServer) -> None:
    store = open_store(minio_server.settings(), tmp_path)
    async with serving_api(tmp_path, store=store) as server:
        job = await server.completed(2 * RATE, RATE)
        url = f"/job/{job.name}/download/chunk_001.mp3"
        assert (await server.client.get(url)).content == mp3_of(RATE, 500)
        part_of_it = await server.client.get(url, headers={"Range": "bytes=100-299"})
        assert (part_of_it.status_code, part_of_it.content) == (206, mp3_of(RATE, 500)[100:300])
        for max_seconds in (2.5, 1.0):
            seen = (await server.client.post("/demo_trim", json={"jobId": job.name, "maxSeconds": max_seconds})).json()
            last = (await server.client.get(seen["chunks"][-1]["downloadUrl"])).content
            assert hashlib.sha256(last).hexdigest() == seen["chunks"][-1]["sha256"]
        written = [key for key in await asyncio.to_thread(server.objects) if "/trim/" in key]
        assert len(written) == 1, "the trim before is gone"


async def test_an_unavailable_bucket_is_an_error_with_retry_after(tmp_path: Path, minio_binary: Path) -> None:
    minio = MinioServer(minio_binary, tmp_path / "minio")
    minio.start()
    try:
        store = open_store(minio.settings(), tmp_path)
        async with serving_api(tmp_path / "api", store=store) as server:
            job = await server.completed(RATE)
            minio.stop()
            body = form(part("file", SOUND))
            async with connected(server.port) as client:
                await client.send(upload_head(len(body)) + body)
                answer = await client.answer(30)
            assert (answer.status, answer.code) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            for path in (f"/job/{job.name}", f"/job/{job.name}/download/output.mp3"):
                response = await server.client.get(path)
                assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            assert await server.jobs() == [job.name]
    finally:
        minio.stop()


async def test_downloads_are_redirected_to_a_store_that_clients_reach(
    tmp_path: Path, minio_server: MinioServer
) -> None:
    settings = minio_server.settings()
    store = open_store(settings.model_copy(update={"s3_public_endpoint": settings.s3_endpoint}), tmp_path)
    async with serving_api(tmp_path, store=store) as server, httpx.AsyncClient() as stranger:
        job = await server.completed(2 * RATE, filename="a talk.mp4")
        url = f"/job/{job.name}/download/output.mp3"
        answer = await server.client.get(url)
        assert answer.status_code == 307
        there = await stranger.get(answer.headers["location"], headers={"Range": "bytes=100-299"})
        assert (there.status_code, there.content) == (206, mp3_of(2 * RATE)[100:300])
        assert there.headers["content-type"] == "audio/mpeg"
        assert 'filename="a talk.mp3"' in there.headers["content-disposition"]
        assert (await server.client.head(url)).headers["content-length"] == str(len(mp3_of(2 * RATE)))
        assert (await server.client.get(url, headers={"X-API-Key": "wrong"})).status_code == 401


@pytest.mark.parametrize("broken_off_after", [0, 5000])
async def test_the_client_fetches_from_such_a_store_and_gives_it_no_key(
    tmp_path: Path, minio_server: MinioServer, broken_off_after: int
) -> None:
    settings = minio_server.settings()
    store = open_store(settings.model_copy(update={"s3_public_endpoint": settings.s3_endpoint}), tmp_path)
    async with serving_api(tmp_path, store=store) as server:
        job = await server.completed(2 * RATE)
        whole = mp3_of(2 * RATE)
        connection = Connection(f"http://127.0.0.1:{server.port}", KEY)
        async with AsyncClient(connection) as client:
            (chunk,) = (await client.job(job.name)).chunks
            (tmp_path / "output.mp3.part").write_bytes(whole[:broken_off_after])
            assert (await client.download(chunk, tmp_path)).read_bytes() == whole

        def synchronous() -> bytes:
            with Client(connection) as client:
                return client.download(chunk, tmp_path / "again").read_bytes()

        assert await asyncio.to_thread(synchronous) == whole
