"""The API on a bucket: what a folder makes easy must hold there too."""

import asyncio
import hashlib
from pathlib import Path

from support.api_server import serving_api
from support.completed_jobs import RATE, mp3_of
from support.minio_server import MinioServer
from support.raw_http import connected, form, part, upload_head
from support.waiting import until
from whisperjob.stores.open import open_store

SOUND = bytes(range(256)) * 80_000
"""20 MB: several parts of a multipart upload."""


async def test_a_sender_that_vanishes_late_leaves_nothing_in_the_bucket(
    tmp_path: Path, minio_server: MinioServer
) -> None:
    store = open_store(minio_server.settings(), tmp_path)
    body = form(part("file", SOUND, "a.wav"))
    async with serving_api(tmp_path, store=store) as server:
        for kept in (len(body) - 1, len(body) * 99 // 100):
            async with connected(server.port) as client:
                await client.send(upload_head(len(body)) + body[:kept])
                await until(lambda: server.api.uploads.in_flight == 1, "the upload to begin")
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


async def test_a_bucket_that_is_away_is_told_with_when_to_come_back(tmp_path: Path, minio_binary: Path) -> None:
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
