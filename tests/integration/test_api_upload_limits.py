"""Uploads that meet a limit, a store or records that fail, a shutdown, or an earlier upload with the same key."""

import asyncio
from pathlib import Path

import pytest

from support.api.raw_http import connected, form, part, upload_head
from support.api.server import KEY, OTHER_KEY, api_settings, serving_api
from support.api.uploads import SOUND, nothing_is_stored, the_job, upload
from support.waiting import until
from whisperjob.model.errors import RecordsUnavailableError, StoreFullError, StoreUnavailableError
from whisperjob.model.phase import Phase, Step
from whisperjob.model.resource import Spec, Status, WhisperJob
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import Readable


async def test_uploads_over_the_limit_wait_their_turn(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path, api_settings(max_concurrent_uploads=1)) as server:
        async with connected(server.port) as first:
            await first.send(upload_head(len(body)) + body[:1000])
            await until(lambda: server.upload_gate.in_flight == 1, "the first upload to begin")
            answer = await upload(server, body)
            assert (answer.status, answer.code) == (503, "unavailable")
            assert int(answer.headers["retry-after"]) > 0
            await first.send(body[1000:])
            assert (await first.answer()).status == 202
        assert (await upload(server, body)).status == 202


async def test_unfinished_work_is_limited_by_tenant(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path, api_settings(max_unfinished_jobs=2)) as server:
        assert (await upload(server, body, "Idempotency-Key: one\r\n")).status == 202
        assert (await upload(server, body)).status == 202
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (429, "too_many_jobs")
        assert int(answer.headers["retry-after"]) > 0
        assert (await upload(server, body, "Idempotency-Key: one\r\n")).status == 202  # no new job
        async with connected(server.port) as client:
            await client.send(upload_head(len(body), key=OTHER_KEY) + body)
            assert (await client.answer()).status == 202
    async with serving_api(tmp_path / "bytes", api_settings(max_unfinished_bytes=len(body) - 1)) as server:
        assert (await upload(server, body)).code == "too_many_jobs"


async def test_a_full_store_refuses_before_a_byte_is_stored(tmp_path: Path) -> None:
    class NearlyFull(FolderStore):
        def free_bytes(self) -> int:
            return 1_000_000

    body = form(part("file", SOUND))
    async with (
        serving_api(tmp_path, api_settings(min_free_bytes=700_000), store=NearlyFull(tmp_path / "store")) as server,
        connected(server.port) as first,
    ):
        await first.send(upload_head(len(body)))
        await until(lambda: server.upload_gate.in_flight == 1, "the first upload to begin")
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (507, "insufficient_storage")
        assert int(answer.headers["retry-after"]) > 0
        await first.send(body)
        assert (await first.answer()).status == 202


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(StoreFullError("full"), 507, "insufficient_storage"), (StoreUnavailableError("away"), 503, "unavailable")],
)
async def test_a_store_that_fails_halfway_is_reported(tmp_path: Path, error: Exception, status: int, code: str) -> None:
    class GivesUp(FolderStore):
        def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> int:
            data.read(70_000)
            raise error

    body = form(part("file", SOUND * 40))
    async with serving_api(tmp_path, store=GivesUp(tmp_path / "store")) as server:
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (status, code)
        assert int(answer.headers["retry-after"]) > 0
        assert await nothing_is_stored(server)


async def test_unavailable_records_leave_no_job_and_are_reported(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        body = form(part("file", SOUND))
        async with connected(server.port) as client:
            await client.send(upload_head(len(body)) + body[:-10])
            await until(lambda: server.upload_gate.in_flight == 1, "the upload to begin")
            await server.records.close()  # type: ignore[attr-defined]  # SqliteRecords'
            await client.send(body[-10:])
            answer = await client.answer()
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_service_that_shuts_down_refuses_new_uploads_and_finishes_the_others(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as begun:
        await begun.send(upload_head(len(body)) + body[:1000])
        await until(lambda: server.upload_gate.in_flight == 1, "the upload to begin")
        server.upload_gate.close()
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (503, "unavailable")
        await begun.send(body[1000:])
        assert (await begun.answer()).status == 202


async def test_an_upload_that_a_shutdown_cuts_off_leaves_nothing(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(len(body)) + body[:-1])
        await until(lambda: server.upload_gate.in_flight == 1, "the upload to begin")
        for task in server.uvicorn.server_state.tasks:
            task.cancel()  # what uvicorn does when its grace is over
        assert await nothing_is_stored(server)
        assert not list((tmp_path / "store" / "staging").iterdir())


async def test_the_same_key_and_file_make_one_job(tmp_path: Path) -> None:
    body = form(part("file", SOUND, "a.wav"))
    renamed = form(part("file", SOUND, "b.wav"))
    async with serving_api(tmp_path) as server:
        first = await upload(server, body, "Idempotency-Key: order-7\r\n")
        job = await the_job(server)
        status = Status(phase=Phase.PROCESSING, step=Step.ENHANCING, progress=50, attempt=1)
        await server.records.patch_status(job.name, status, job.version)
        await until(lambda: server.cache.get(job.name) != job, "the cache to follow")
        again = await upload(server, renamed, "Idempotency-Key: order-7\r\n")
        assert again.status == 202
        assert again.json == {**first.json, "status": "processing"}
        for other in (
            form(part("file", SOUND[:-1])),
            form(part("file", SOUND), part("profile", b"none")),
            form(part("file", SOUND), part("maxChunkSeconds", b"60")),
            form(part("file", SOUND), part("rawFormat", b"s16le")),
        ):
            answer = await upload(server, other, "Idempotency-Key: order-7\r\n")
            assert (answer.status, answer.code) == (409, "idempotency_mismatch")
        assert server.objects() == [job.spec.source.key]
        assert (await upload(server, body, "Idempotency-Key: order-8\r\n")).json["jobId"] != job.name
        await server.client.delete(f"/job/{job.name}")
        assert (await upload(server, body, "Idempotency-Key: order-7\r\n")).json["status"] == "queued"


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ümlaut"])
async def test_a_key_that_is_no_key_is_refused(tmp_path: Path, key: str) -> None:
    async with serving_api(tmp_path) as server:
        answer = await upload(server, form(part("file", SOUND)), f"Idempotency-Key: {key}\r\n")
        assert (answer.status, answer.code) == (422, "invalid_request")


async def test_racing_requests_with_one_key_make_one_job(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server:
        answers = await asyncio.gather(*(upload(server, body, "Idempotency-Key: race\r\n") for _ in range(8)))
        assert [answer.status for answer in answers] == [202] * 8
        job = await the_job(server)
        assert {answer.json["jobId"] for answer in answers} == {job.name}
        assert server.objects() == [job.spec.source.key]


async def test_racing_files_with_one_key_make_one_job(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        bodies = [form(part("file", SOUND + bytes([turn]))) for turn in range(6)]
        answers = await asyncio.gather(*(upload(server, body, "Idempotency-Key: race\r\n") for body in bodies))
        assert sorted(answer.status for answer in answers) == [202, 409, 409, 409, 409, 409]
        job = await the_job(server)
        assert server.objects() == [job.spec.source.key]


async def test_tenants_do_not_share_idempotency_keys(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server:
        ids = set()
        for key in (KEY, OTHER_KEY):
            async with connected(server.port) as client:
                await client.send(upload_head(len(body), key=key, headers="Idempotency-Key: same\r\n") + body)
                ids.add((await client.answer()).json["jobId"])
        assert len(ids) == len(server.objects()) == 2


async def test_a_lost_response_of_the_records_is_resolved(tmp_path: Path) -> None:
    """`create` may have taken effect although its response was lost; then the object belongs to that job, and stays."""
    async with serving_api(tmp_path) as server:
        records = server.records
        create = records.create

        async def create_and_lose(name: str, spec: Spec) -> WhisperJob:
            await create(name, spec)
            raise RecordsUnavailableError("the response was lost")

        async def lose(name: str, spec: Spec) -> WhisperJob:
            raise RecordsUnavailableError("never arrived")

        records.create = lose  # type: ignore[method-assign]  # a network that fails at this point and no other
        answer = await upload(server, form(part("file", SOUND)))
        assert (answer.status, answer.code) == (503, "unavailable")
        assert await nothing_is_stored(server)
        records.create = create_and_lose  # type: ignore[method-assign]  # likewise
        answer = await upload(server, form(part("file", SOUND)))
        job = await the_job(server)
        assert (answer.status, answer.json["jobId"]) == (202, job.name)
        assert server.objects() == [job.spec.source.key]
