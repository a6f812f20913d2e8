"""Uploads byte by byte: what is kept, what is refused, and that a sender who vanishes leaves nothing."""

import asyncio
import hashlib
import io
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from support.api_server import ApiServer, api_settings, serving_api
from support.raw_http import Answer, chunked, connected, form, part, upload_head
from support.waiting import until
from whisperjob.model.errors import RecordsUnavailableError, StoreFullError, StoreUnavailableError
from whisperjob.model.phase import Phase, Profile, RawFormat, Step
from whisperjob.model.resource import Spec, Status, WhisperJob
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import Readable

SOUND = bytes(range(256)) * 800
"""200 KiB that hold every byte, line ends and dashes among them."""


async def upload(server: ApiServer, body: bytes, headers: str = "") -> Answer:
    async with connected(server.port) as client:
        await client.send(upload_head(len(body), headers=headers) + body)
        return await client.answer()


async def the_job(server: ApiServer) -> WhisperJob:
    (name,) = await server.jobs()
    return await server.records.get(name)


async def nothing_was_kept(server: ApiServer) -> bool:
    await server.settled()
    return not server.objects() and not await server.jobs()


async def test_an_upload_becomes_a_job_and_its_source(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        answer = await upload(server, form(part("file", SOUND, "Größe 🎧.m4a", "Content-Type: audio/mp4\r\n")))
        job = await the_job(server)
        assert answer.status == 202
        assert answer.json == {
            "jobId": job.name,
            "status": "queued",
            "message": "File uploaded, optimization started",
            "statusUrl": f"/job/{job.name}",
        }
        source = job.spec.source
        assert (source.filename, source.content_type) == ("Größe 🎧.m4a", "audio/mp4")
        assert (source.size_bytes, source.sha256) == (len(SOUND), hashlib.sha256(SOUND).hexdigest())
        assert (job.spec.tenant, job.spec.client_ip, job.spec.profile) == ("alice", "127.0.0.1", Profile.FULL)
        assert b"".join(server.store.read(source.key)) == SOUND
        assert server.objects() == [source.key]
        assert (await server.client.get(answer.json["statusUrl"])).json()["status"] == "queued"


@pytest.mark.parametrize("before", [True, False])
async def test_options_may_stand_before_or_after_the_file(tmp_path: Path, before: bool) -> None:
    options = (
        part("profile", b"light"),
        part("maxChunkSeconds", b"600"),
        part("rawFormat", b"s24le"),
        part("sampleRate", b"44100"),
        part("unknown", b"of a later version"),
    )
    file = part("file", SOUND, "take.pcm")
    async with serving_api(tmp_path) as server:
        answer = await upload(server, form(*options, file) if before else form(file, *options))
        assert answer.status == 202
        spec = (await the_job(server)).spec
        assert (spec.profile, spec.max_chunk_seconds) == (Profile.LIGHT, 600)
        assert (spec.source.raw_format, spec.source.sample_rate, spec.source.channels) == (RawFormat.S24LE, 44_100, 1)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param(form(part("file", b"", "a.mp3")), 400, "empty_file", id="empty file"),
        pytest.param(form(part("profile", b"full")), 400, "invalid_upload", id="no file"),
        pytest.param(form(), 400, "invalid_upload", id="no part"),
        pytest.param(b"", 400, "invalid_upload", id="no body"),
        pytest.param(b"\r\n" * 3000, 400, "invalid_upload", id="long preamble"),
        pytest.param(b"hello" * 3000, 400, "invalid_upload", id="no form"),
        pytest.param(form(part("file", SOUND), part("file", SOUND)), 400, "invalid_upload", id="two files"),
        pytest.param(form(part("video", SOUND, "a.mp4")), 400, "invalid_upload", id="file in another field"),
        pytest.param(form(part("file", SOUND))[:-4], 400, "invalid_upload", id="closing boundary cut"),
        pytest.param(part("file", SOUND), 400, "invalid_upload", id="no closing boundary"),
        pytest.param(form(part("file", SOUND, "a", "X: " + "y" * 20_000)), 400, "invalid_upload", id="long header"),
        pytest.param(form(part("file", SOUND, "a", "X-Y z\r\n")), 400, "invalid_upload", id="bad header"),
        pytest.param(
            form(part("file", SOUND, "a", "Content-Transfer-Encoding: base64\r\n")), 400, "invalid_upload", id="base64"
        ),
        pytest.param(form(part("file", SOUND), *[part("x", b"y")] * 20), 400, "invalid_upload", id="21 parts"),
        pytest.param(form(part("x", b"y" * 70_000), part("file", SOUND)), 400, "invalid_upload", id="large field"),
        pytest.param(form(part("file", SOUND), part("profile", b"x" * 1025)), 400, "invalid_upload", id="long field"),
        pytest.param(form(part("file", SOUND), part("profile", b"\xff")), 400, "invalid_upload", id="not UTF-8"),
        pytest.param(
            form(part("profile", b"full"), part("profile", b"full"), part("file", SOUND)),
            400,
            "invalid_upload",
            id="field twice",
        ),
        pytest.param(form(part("file", SOUND), part("profile", b"loud")), 422, "invalid_request", id="profile"),
        pytest.param(form(part("file", SOUND), part("maxChunkSeconds", b"59")), 422, "invalid_request", id="59 s"),
        pytest.param(form(part("file", SOUND), part("maxChunkSeconds", b"x")), 422, "invalid_request", id="chunk x"),
        pytest.param(form(part("file", SOUND), part("rawFormat", b"hls")), 422, "invalid_request", id="raw format"),
        pytest.param(form(part("file", SOUND), part("sampleRate", b"8000")), 422, "invalid_request", id="rate alone"),
        pytest.param(
            form(part("file", SOUND), part("rawFormat", b"u8"), part("channels", b"0")),
            422,
            "invalid_request",
            id="no channels",
        ),
    ],
)
async def test_a_form_that_makes_no_sense_is_refused_and_leaves_nothing(
    tmp_path: Path, body: bytes, status: int, code: str
) -> None:
    async with serving_api(tmp_path) as server:
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (status, code)
        assert answer.json["error"]
        assert await nothing_was_kept(server)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=x"],
)
async def test_what_is_no_form_is_refused(tmp_path: Path, content_type: str) -> None:
    async with serving_api(tmp_path) as server:
        headers = {"Content-Type": content_type}
        answer = await server.client.post("/whisper_optimize", content=form(part("file", SOUND)), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_upload")


async def test_every_way_of_sending_gives_the_same_file(tmp_path: Path) -> None:
    body = form(part("file", SOUND, "a.wav"))
    async with serving_api(tmp_path) as server:
        for sent, length in ((body, len(body)), (chunked(body), None), (chunked(body, 7), None)):
            async with connected(server.port) as client:
                await client.send(upload_head(length) + sent)
                assert (await client.answer()).status == 202
        async with connected(server.port) as client:  # split inside every boundary and header
            await client.send(upload_head(len(body)))
            for start in range(150):
                await client.send(body[start : start + 1])
                await asyncio.sleep(0)
            await client.send(body[150:-40])
            for start in range(len(body) - 40, len(body)):
                await client.send(body[start : start + 1])
                await asyncio.sleep(0)
            assert (await client.answer()).status == 202
        expected = hashlib.sha256(SOUND).hexdigest()
        jobs = (await server.records.list()).items
        assert [job.spec.source.sha256 for job in jobs] == [expected] * 4
        assert [b"".join(server.store.read(key)) == SOUND for key in server.objects()] == [True] * 4


async def test_a_client_that_waits_to_be_told_is_told(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(len(body), headers="Expect: 100-continue\r\n"))
        assert (await client.answer()).status == 100
        await client.send(body)
        assert (await client.answer()).status == 202


@pytest.mark.parametrize("headers", ["", "Expect: 100-continue\r\n"])
async def test_a_wrong_key_is_refused_before_the_body(tmp_path: Path, headers: str) -> None:
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(400_000_000, key="wrong", headers=headers))
        answer = await client.answer()
        assert (answer.status, answer.code) == (401, "unauthorized")
        assert answer.headers["connection"] == "close"
        assert await client.closed_by_server()


async def test_a_client_that_never_stops_sending_still_gets_its_answer(tmp_path: Path) -> None:
    """Closing at once would reset the connection under its feet, and the answer would be lost."""
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(4_000_000, key="wrong") + bytes(4_000_000))
        answer = await client.answer()
        assert (answer.status, answer.code) == (401, "unauthorized")
        assert await client.closed_by_server()


async def test_a_declared_size_over_the_limit_is_refused_at_once(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(525_000_000))
        answer = await client.answer()
        assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize("declared", [True, False])
async def test_bytes_are_counted(tmp_path: Path, declared: bool) -> None:
    settings = api_settings(max_upload_bytes=100_000)
    async with serving_api(tmp_path, settings) as server:
        answers = []
        for size in (100_000, 100_001):
            body = form(part("file", SOUND[:size], "a.wav"))
            async with connected(server.port) as client:
                await client.send(upload_head(len(body) if declared else None) + (body if declared else chunked(body)))
                answers.append(await client.answer())
        assert [answer.status for answer in answers] == [202, 413]
        assert answers[1].code == "too_large"
        await server.settled()
        assert len(server.objects()) == len(await server.jobs()) == 1


async def test_a_sender_that_vanishes_leaves_nothing(tmp_path: Path) -> None:
    body = form(part("profile", b"full"), part("file", SOUND, "a.wav"), part("maxChunkSeconds", b"60"))
    head = upload_head(len(body))
    offsets = [
        0,
        1,
        20,
        60,
        100,
        150,
        200,
        250,
        300,
        len(body) // 2,
        len(body) - 100,
        *range(len(body) - 30, len(body)),
    ]
    async with serving_api(tmp_path) as server:
        for offset in offsets:
            async with connected(server.port) as client:
                await client.send(head + body[:offset])
                await until(lambda: server.api.uploads.in_flight == 1, "the upload to begin")
                client.vanish()
            await until(lambda: server.api.uploads.in_flight == 0, "the upload to end")
            assert not server.objects(), offset
            assert not await server.jobs(), offset
        assert not list((tmp_path / "store" / "staging").iterdir())


async def test_a_content_length_that_lies_keeps_nothing(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server:
        async with connected(server.port) as client:  # too short: the end is missing
            await client.send(upload_head(len(body) - 10) + body)
            assert (await client.answer()).status == 400
        async with connected(server.port) as client:  # too long: the sender goes before it is all there
            await client.send(upload_head(len(body) + 10) + body)
            await until(lambda: server.api.uploads.in_flight == 1, "the upload to begin")
            client.vanish()
        await server.settled()
        assert await nothing_was_kept(server)


async def test_a_sender_that_stands_still_is_told_so(tmp_path: Path) -> None:
    settings = api_settings(upload_idle_timeout=timedelta(seconds=0.3))
    body = form(part("file", SOUND))
    async with serving_api(tmp_path, settings) as server, connected(server.port) as client:
        await client.send(upload_head(len(body)) + body[:100_000])
        answer = await client.answer()
        assert (answer.status, answer.code) == (408, "upload_too_slow")
        assert await client.closed_by_server()
        assert await nothing_was_kept(server)


async def test_uploads_over_the_limit_wait_their_turn(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path, api_settings(max_concurrent_uploads=1)) as server:
        async with connected(server.port) as first:
            await first.send(upload_head(len(body)) + body[:1000])
            await until(lambda: server.api.uploads.in_flight == 1, "the first upload to begin")
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
            await client.send(upload_head(len(body), key="the-key-of-bob") + body)
            assert (await client.answer()).status == 202
    async with serving_api(tmp_path / "bytes", api_settings(max_unfinished_bytes=len(body) - 1)) as server:
        assert (await upload(server, body)).code == "too_many_jobs"


async def test_a_store_without_room_says_so_before_a_byte_is_kept(tmp_path: Path) -> None:
    class NearlyFull(FolderStore):
        def free_bytes(self) -> int:
            return 1_000_000

    body = form(part("file", SOUND))
    async with (
        serving_api(tmp_path, api_settings(min_free_bytes=700_000), store=NearlyFull(tmp_path / "store")) as server,
        connected(server.port) as first,
    ):
        await first.send(upload_head(len(body)))
        await until(lambda: server.api.uploads.in_flight == 1, "the first upload to begin")
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (507, "insufficient_storage")
        assert int(answer.headers["retry-after"]) > 0
        await first.send(body)
        assert (await first.answer()).status == 202


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(StoreFullError("full"), 507, "insufficient_storage"), (StoreUnavailableError("away"), 503, "unavailable")],
)
async def test_a_store_that_gives_up_halfway_is_told(tmp_path: Path, error: Exception, status: int, code: str) -> None:
    class GivesUp(FolderStore):
        def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> int:
            data.read(70_000)
            raise error

    body = form(part("file", SOUND * 40))
    async with serving_api(tmp_path, store=GivesUp(tmp_path / "store")) as server:
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (status, code)
        assert int(answer.headers["retry-after"]) > 0
        assert await nothing_was_kept(server)


async def test_records_that_are_away_leave_no_job_and_tell_so(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        body = form(part("file", SOUND))
        async with connected(server.port) as client:
            await client.send(upload_head(len(body)) + body[:-10])
            await until(lambda: server.api.uploads.in_flight == 1, "the upload to begin")
            await server.records.close()  # type: ignore[attr-defined]  # SqliteRecords'
            await client.send(body[-10:])
            answer = await client.answer()
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_a_service_that_shuts_down_takes_no_new_upload_but_ends_those_begun(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as begun:
        await begun.send(upload_head(len(body)) + body[:1000])
        await until(lambda: server.api.uploads.in_flight == 1, "the upload to begin")
        server.api.uploads.close()
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (503, "unavailable")
        await begun.send(body[1000:])
        assert (await begun.answer()).status == 202


async def test_an_upload_that_a_shutdown_cuts_off_leaves_nothing(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(upload_head(len(body)) + body[:-1])
        await until(lambda: server.api.uploads.in_flight == 1, "the upload to begin")
        for task in server.uvicorn.server_state.tasks:
            task.cancel()  # what uvicorn does when its grace is over
        assert await nothing_was_kept(server)
        assert not list((tmp_path / "store" / "staging").iterdir())


async def test_the_same_key_and_file_make_one_job(tmp_path: Path) -> None:
    body = form(part("file", SOUND, "a.wav"))
    renamed = form(part("file", SOUND, "b.wav"))
    async with serving_api(tmp_path) as server:
        first = await upload(server, body, "Idempotency-Key: order-7\r\n")
        job = await the_job(server)
        status = Status(phase=Phase.PROCESSING, step=Step.ENHANCING, progress=50, attempt=1)
        await server.records.patch_status(job.name, status, job.version)
        await until(lambda: server.api.cache.get(job.name) != job, "the cache to follow")
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
        for key in ("the-key-of-alice", "the-key-of-bob"):
            async with connected(server.port) as client:
                await client.send(upload_head(len(body), key=key, headers="Idempotency-Key: same\r\n") + body)
                ids.add((await client.answer()).json["jobId"])
        assert len(ids) == len(server.objects()) == 2


async def test_a_lost_answer_of_the_records_is_settled(tmp_path: Path) -> None:
    """`create` may have happened although its answer was lost: then the object is that job's, and stays."""
    async with serving_api(tmp_path) as server:
        records = server.records
        create = records.create

        async def create_and_lose(name: str, spec: Spec) -> WhisperJob:
            await create(name, spec)
            raise RecordsUnavailableError("the answer was lost")

        async def lose(name: str, spec: Spec) -> WhisperJob:
            raise RecordsUnavailableError("never arrived")

        records.create = lose  # type: ignore[method-assign]  # a network that fails at this point and no other
        answer = await upload(server, form(part("file", SOUND)))
        assert (answer.status, answer.code) == (503, "unavailable")
        assert await nothing_was_kept(server)
        records.create = create_and_lose  # type: ignore[method-assign]  # likewise
        answer = await upload(server, form(part("file", SOUND)))
        job = await the_job(server)
        assert (answer.status, answer.json["jobId"]) == (202, job.name)
        assert server.objects() == [job.spec.source.key]


async def test_usual_clients_are_understood(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        answer = await server.client.post(
            "/whisper_optimize", files={"file": ("talk.mp4", io.BytesIO(SOUND), "video/mp4")}, data={"profile": "none"}
        )
        assert answer.status_code == 202
        assert (await the_job(server)).spec.profile is Profile.NONE


async def test_a_forwarded_address_is_believed_behind_a_known_proxy_only(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    forwarded = "X-Forwarded-For: 203.0.113.9, 198.51.100.3\r\n"
    for trusted, seen in (("", "127.0.0.1"), ("127.0.0.0/8", "198.51.100.3")):
        async with serving_api(tmp_path / seen, api_settings(trusted_proxies=trusted)) as server:
            await upload(server, body, forwarded)
            assert (await the_job(server)).spec.client_ip == seen


async def test_httpx_hears_a_refusal_while_it_sends(tmp_path: Path) -> None:
    async with serving_api(tmp_path, api_settings(max_upload_bytes=1000)) as server:
        answer = await server.client.post("/whisper_optimize", files={"file": ("a.wav", bytes(3_000_000))})
        assert isinstance(answer, httpx.Response)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
