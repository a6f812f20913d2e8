"""Uploads byte by byte: what is stored, what is refused, and that a sender who vanishes leaves nothing."""

import asyncio
import hashlib
import io
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from support.api.raw_http import chunked, connected, form, part, upload_head
from support.api.server import api_settings, serving_api
from support.api.uploads import SOUND, nothing_is_stored, the_job, upload
from support.waiting import until
from whisperjob.model.phase import Profile, RawFormat


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
        part("track", b"mix"),
        part("language", "español".encode()),
        part("unknown", b"of a later version"),
    )
    file = part("file", SOUND, "take.pcm")
    async with serving_api(tmp_path) as server:
        answer = await upload(server, form(*options, file) if before else form(file, *options))
        assert answer.status == 202
        spec = (await the_job(server)).spec
        assert (spec.profile, spec.max_chunk_seconds) == (Profile.LIGHT, 600)
        assert (spec.track, spec.language) == ("mix", "español")
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
        pytest.param(form(part("file", SOUND), part("track", b"x" * 65)), 422, "invalid_request", id="long track"),
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
async def test_an_invalid_form_is_refused_and_leaves_nothing(
    tmp_path: Path, body: bytes, status: int, code: str
) -> None:
    async with serving_api(tmp_path) as server:
        answer = await upload(server, body)
        assert (answer.status, answer.code) == (status, code)
        assert answer.json["error"]
        assert await nothing_is_stored(server)


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


async def test_a_client_that_expects_100_continue_gets_it(tmp_path: Path) -> None:
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


async def test_a_client_that_never_stops_sending_still_gets_its_response(tmp_path: Path) -> None:
    """Closing at once would reset the connection, and the response would be lost."""
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
                await until(lambda: server.upload_gate.in_flight == 1, "the upload to begin")
                client.vanish()
            await until(lambda: server.upload_gate.in_flight == 0, "the upload to end")
            assert not server.objects(), offset
            assert not await server.jobs(), offset
        assert not list((tmp_path / "store" / "staging").iterdir())


async def test_a_wrong_content_length_leaves_nothing(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    async with serving_api(tmp_path) as server:
        async with connected(server.port) as client:  # too short: the end is missing
            await client.send(upload_head(len(body) - 10) + body)
            assert (await client.answer()).status == 400
        async with connected(server.port) as client:  # too long: the sender goes before it is all there
            await client.send(upload_head(len(body) + 10) + body)
            await until(lambda: server.upload_gate.in_flight == 1, "the upload to begin")
            client.vanish()
        await server.settled()
        assert await nothing_is_stored(server)


async def test_a_sender_that_pauses_too_long_gets_an_error(tmp_path: Path) -> None:
    settings = api_settings(upload_idle_timeout=timedelta(seconds=0.3))
    body = form(part("file", SOUND))
    async with serving_api(tmp_path, settings) as server, connected(server.port) as client:
        await client.send(upload_head(len(body)) + body[:100_000])
        answer = await client.answer()
        assert (answer.status, answer.code) == (408, "upload_too_slow")
        assert await client.closed_by_server()
        assert await nothing_is_stored(server)


async def test_common_clients_can_upload(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        answer = await server.client.post(
            "/whisper_optimize", files={"file": ("talk.mp4", io.BytesIO(SOUND), "video/mp4")}, data={"profile": "none"}
        )
        assert answer.status_code == 202
        assert (await the_job(server)).spec.profile is Profile.NONE


async def test_a_forwarded_address_counts_behind_a_trusted_proxy_only(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    forwarded = "X-Forwarded-For: 203.0.113.9, 198.51.100.3\r\n"
    for trusted, seen in (("", "127.0.0.1"), ("127.0.0.0/8", "198.51.100.3")):
        async with serving_api(tmp_path / seen, api_settings(trusted_proxies=trusted)) as server:
            await upload(server, body, forwarded)
            assert (await the_job(server)).spec.client_ip == seen


async def test_httpx_gets_a_refusal_while_it_sends(tmp_path: Path) -> None:
    async with serving_api(tmp_path, api_settings(max_upload_bytes=1000)) as server:
        answer = await server.client.post("/whisper_optimize", files={"file": ("a.wav", bytes(3_000_000))})
        assert isinstance(answer, httpx.Response)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
