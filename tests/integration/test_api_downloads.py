"""Downloads and trims of completed jobs: exact bytes, exact samples."""

import asyncio
import hashlib
import os
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from support.api.completed_jobs import RATE, complete, decoded, mp3_of
from support.api.raw_http import connected
from support.api.server import KEY, MIB, ApiServer, serving_api
from support.builders import a_spec
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.mp3 import parse_info
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob
from whisperjob_api.thread_pools import DOWNLOAD_THREADS


async def test_a_whole_file_has_the_headers_that_caches_need(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(RATE, filename="Mein Gespräch.mp4")
        url = f"/job/{job.name}/download/output.mp3"
        whole = await server.client.get(url)
        assert (whole.status_code, whole.content) == (200, mp3_of(RATE))
        assert whole.headers["content-type"] == "audio/mpeg"
        assert whole.headers["content-length"] == str(len(mp3_of(RATE)))
        assert whole.headers["etag"] == f'"{hashlib.sha256(mp3_of(RATE)).hexdigest()}"'
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["content-disposition"] == (
            "attachment; filename=\"Mein Gespr_ch.mp3\"; filename*=UTF-8''Mein%20Gespr%C3%A4ch.mp3"
        )
        head = await server.client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert {k: v for k, v in head.headers.items() if k != "date"} == {
            k: v for k, v in whole.headers.items() if k != "date"
        }
        same = await server.client.get(url, headers={"If-None-Match": whole.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")


async def test_parts_join_to_the_whole(tmp_path: Path) -> None:
    data = mp3_of(RATE)
    size = len(data)
    async with serving_api(tmp_path) as server:
        job = await server.completed(RATE)
        url = f"/job/{job.name}/download/output.mp3"
        etag = (await server.client.head(url)).headers["etag"]
        for header, start, end in (
            ("bytes=0-0", 0, 1),
            ("bytes=100-199", 100, 200),
            ("bytes=100-", 100, size),
            (f"bytes=100-{size * 2}", 100, size),
            ("bytes=-7", size - 7, size),
            (f"bytes=-{size + 1}", 0, size),
        ):
            part = await server.client.get(url, headers={"Range": header})
            assert (part.status_code, part.content) == (206, data[start:end]), header
            assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
            assert part.headers["content-length"] == str(end - start)
        for headers in (
            {"Range": "bytes=0-1,5-6"},
            {"Range": "bytes=5-2"},
            {"Range": "frames=1-2"},
            {"Range": "bytes=0-9", "If-Range": '"another"'},
            {"Range": "bytes=0-9", "If-Range": f"W/{etag}"},
        ):
            assert (await server.client.get(url, headers=headers)).status_code == 200
        unchanged = await server.client.get(url, headers={"Range": "bytes=0-9", "If-Range": etag})
        assert (unchanged.status_code, unchanged.content) == (206, data[:10])
        for header in (f"bytes={size}-", "bytes=-0"):
            beyond = await server.client.get(url, headers={"Range": header})
            assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
            assert beyond.headers["content-range"] == f"bytes */{size}"


async def test_only_names_in_the_manifest_exist(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(RATE, RATE)
        for name in (
            "output.mp3",
            "chunk_002.mp3",
            "manifest.json",
            "trimmed.mp3",
            "..%2Fmanifest.json",
            "chunk_000.MP3",
        ):
            answer = await server.client.get(f"/job/{job.name}/download/{name}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), name
        for index in (0, 1):
            assert (await server.client.get(f"/job/{job.name}/download/chunk_00{index}.mp3")).status_code == 200


async def test_a_missing_object_is_an_error_and_not_half_a_response(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(RATE)
        server.store.delete(chunk_key(job, "output.mp3"))
        for method in ("GET", "HEAD"):
            answer = await server.client.request(method, f"/job/{job.name}/download/output.mp3")
            assert answer.status_code == 404
        assert (await server.client.get(f"/job/{job.name}")).status_code == 200  # the manifest is still there


async def test_a_manifest_that_was_changed_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(RATE)
        file = tmp_path / "store" / "objects" / chunk_key(job, "manifest.json")
        file.write_bytes(file.read_bytes().replace(b'"full"', b'"none"'))
        answer = await server.client.get(f"/job/{job.name}")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert job.uid not in answer.text
        assert chunk_key(job, "manifest.json") in caplog.text


async def test_downloads_that_are_not_read_block_no_other(tmp_path: Path) -> None:
    data = os.urandom(16 * MIB)  # more than the buffers of a connection hold
    async with serving_api(tmp_path) as server, AsyncExitStack() as clients:
        job = await server.records.create("large", a_spec(tenant="alice"))
        job = await complete(server.records, server.store, job, [(data, RATE)])
        await until(lambda: server.cache.get(job.name) == job, "the cache to know the job")
        url = f"/job/{job.name}/download/output.mp3"
        for _ in range(2 * DOWNLOAD_THREADS):
            client = await clients.enter_async_context(connected(server.port))
            await client.send(f"GET {url} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n\r\n".encode())
        assert await download(server, url) == data


def chunk_key(job: WhisperJob, filename: str) -> str:
    return names.attempt_prefix(job.metadata.namespace, job.uid, Stage.OPTIMIZE, 1) + filename


async def trim(server: ApiServer, job: WhisperJob, max_seconds: float) -> httpx.Response:
    return await server.client.post("/demo_trim", json={"jobId": job.name, "maxSeconds": max_seconds})


async def download(server: ApiServer, url: str) -> bytes:
    answer = await server.client.get(url)
    assert answer.status_code == 200
    return answer.content


@pytest.mark.parametrize("max_seconds", [1, 0.003, 0.5, 1.2345, 2.999, 2.99995])
async def test_a_trim_decodes_to_exactly_the_requested_samples(tmp_path: Path, max_seconds: float) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(3 * RATE)
        answer = await trim(server, job, max_seconds)
        assert answer.status_code == 200
        seen = answer.json()
        (chunk,) = seen.pop("chunks")
        assert seen == {
            "jobId": job.name,
            "trimmed": True,
            "maxSeconds": max_seconds,
            "originalDuration": 3.0,
            "outputSizeMB": 0.0,
            "totalChunks": 1,
        }
        assert type(seen["maxSeconds"]) is type(max_seconds)
        data = await download(server, chunk["downloadUrl"])
        samples = round(max_seconds * RATE)
        assert chunk == {
            "index": 0,
            "filename": "trimmed.mp3",
            "sizeMB": 0.0,
            "downloadUrl": f"/job/{job.name}/download/trimmed.mp3",
            "startSeconds": 0.0,
            "durationSeconds": pytest.approx(samples / RATE, abs=1e-6),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        assert decoded(data) == decoded(mp3_of(3 * RATE))[: 2 * samples]
        assert parse_info(data).size_bytes == len(data)


async def test_a_trim_of_several_chunks_keeps_their_boundaries(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(2 * RATE, RATE, 3 * RATE)
        seen = (await trim(server, job, 4.25)).json()
        assert [(c["filename"], c["startSeconds"], c["durationSeconds"]) for c in seen["chunks"]] == [
            ("trimmed_000.mp3", 0.0, 2.0),
            ("trimmed_001.mp3", 2.0, 1.0),
            ("trimmed_002.mp3", 3.0, 1.25),
        ]
        files = [await download(server, chunk["downloadUrl"]) for chunk in seen["chunks"]]
        assert files[:2] == [mp3_of(2 * RATE), mp3_of(RATE, 500)]
        assert decoded(files[2]) == decoded(mp3_of(3 * RATE, 560))[: 2 * 20_000]
        written = [key for key in server.objects() if "/trim/" in key]
        assert len(written) == 1, "whole chunks are not copied"

        seen = (await trim(server, job, 3)).json()  # at a seam: nothing is cut
        assert [chunk["filename"] for chunk in seen["chunks"]] == ["trimmed_000.mp3", "trimmed_001.mp3"]
        assert await download(server, seen["chunks"][1]["downloadUrl"]) == mp3_of(RATE, 500)
        assert not [key for key in server.objects() if "/trim/" in key], "the trim before is gone"
        gone = await server.client.get(f"/job/{job.name}/download/trimmed_002.mp3")
        assert gone.status_code == 404


@pytest.mark.parametrize("max_seconds", [3, 3.0, 3.00001, 10**300, 1e300])
async def test_audio_within_the_limit_is_left_alone(tmp_path: Path, max_seconds: float) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(3 * RATE)
        before = server.objects()
        seen = (await trim(server, job, max_seconds)).json()
        chunks = (await server.client.get(f"/job/{job.name}")).json()["chunks"]
        assert seen == {
            "jobId": job.name,
            "trimmed": False,
            "message": "Audio is already within the limit",
            "duration": 3.0,
            "totalChunks": 1,
            "chunks": chunks,
        }
        assert server.objects() == before


async def test_the_last_of_many_trims_wins_and_the_others_leave_nothing(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(3 * RATE)
        answers = await asyncio.gather(*(trim(server, job, 0.5 + 0.1 * turn) for turn in range(6)))
        assert {answer.status_code for answer in answers} == {200}
        data = await download(server, f"/job/{job.name}/download/trimmed.mp3")
        assert hashlib.sha256(data).hexdigest() in {answer.json()["chunks"][0]["sha256"] for answer in answers}
        assert len([key for key in server.objects() if "/trim/" in key]) == 1


async def test_an_output_that_is_no_mp3_cannot_be_cut(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(3 * RATE)
        file = tmp_path / "store" / "objects" / chunk_key(job, "output.mp3")
        file.write_bytes(bytes(file.stat().st_size))
        answer = await trim(server, job, 1)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert not [key for key in server.objects() if "/trim" in key]
