"""Uploads whose whole body is the file: the same limits, the same storage, the same answers as a form."""

import asyncio
import hashlib
import io
from pathlib import Path

import pytest

from support.api.raw_http import chunked, connected, form, part, upload_head
from support.api.server import KEY, api_settings, serving_api
from support.api.uploads import SOUND, nothing_is_stored, the_job, upload
from support.waiting import until
from whisperjob.model.phase import Profile, RawFormat


@pytest.mark.parametrize(
    ("content_type", "stored"),
    [
        ("audio/mpeg", "audio/mpeg"),
        ("audio/webm;codecs=opus", "audio/webm;codecs=opus"),
        ("Video/MP4", "Video/MP4"),
        ("application/octet-stream", "application/octet-stream"),
        ("binary/octet-stream", "binary/octet-stream"),
        ("application/ogg", "application/ogg"),
        ("", None),
    ],
)
async def test_a_body_becomes_a_job_and_its_source(tmp_path: Path, content_type: str, stored: str | None) -> None:
    async with serving_api(tmp_path) as server:
        answer = await upload(server, SOUND, "X-Filename: a.mp3\r\n", content_type=content_type)
        assert (answer.status, answer.json["status"]) == (202, "queued")
        source = (await the_job(server)).spec.source
        assert (source.filename, source.content_type) == ("a.mp3", stored)
        assert (source.size_bytes, source.sha256) == (len(SOUND), hashlib.sha256(SOUND).hexdigest())
        assert b"".join(server.store.read(source.key)) == SOUND


@pytest.mark.parametrize(
    ("query", "headers", "shown"),
    [
        pytest.param("", "", "", id="none"),
        pytest.param("?filename=Gr%C3%B6%C3%9Fe%201.mp3", "", "Größe 1.mp3", id="in the address"),
        pytest.param("?filename=Gr%C3%B6%C3%9Fe+1.mp3", "X-Filename: b.mp3\r\n", "Größe 1.mp3", id="address first"),
        pytest.param("", "X-Filename: Gr%C3%B6%C3%9Fe%201.mp3\r\n", "Größe 1.mp3", id="encodeURIComponent"),
        pytest.param("", "X-Filename: Größe 1.mp3\r\n", "Größe 1.mp3", id="UTF-8"),
        pytest.param("", "X-Filename: =?UTF-8?B?R3LDtsOfZQ==?=\r\n", "Größe", id="encoded word"),
        pytest.param("", "X-Filename: 100%.mp3\r\n", "100%.mp3", id="a percent sign"),
        pytest.param("", "X-Filename: ..%2F..%2Fa%00.mp3\r\n", "a\ufffd.mp3", id="a path with NUL"),
        pytest.param("", 'Content-Disposition: attachment; filename="a.mp3"\r\n', "a.mp3", id="disposition"),
        pytest.param(
            "",
            "Content-Disposition: attachment; filename=\"x\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.mp3\r\n",
            "Größe.mp3",
            id="filename*",
        ),
        pytest.param("", 'Content-Disposition: attachment; filename="Größe.mp3"\r\n', "Größe.mp3", id="UTF-8 there"),
        pytest.param("", "Content-Disposition: inline\r\n", "", id="disposition without a name"),
    ],
)
async def test_the_name_of_a_body(tmp_path: Path, query: str, headers: str, shown: str) -> None:
    async with serving_api(tmp_path) as server:
        path = f"/whisper_optimize{query}"
        answer = await upload(server, SOUND, headers, path=path, content_type="audio/mpeg")
        assert (answer.status, answer.json.get("warnings")) == (202, None)
        assert (await the_job(server)).spec.source.filename == shown


async def test_the_options_of_a_body_stand_in_the_address(tmp_path: Path) -> None:
    query = "profile=light&maxChunkSeconds=600.0&rawFormat=s24le&sampleRate=44100&channels=&profil=none"
    async with serving_api(tmp_path) as server:
        answer = await upload(server, SOUND, path=f"/whisper_optimize?{query}", content_type="application/octet-stream")
        assert answer.json["warnings"][0]["message"].endswith("did you mean `profile`?")
        spec = (await the_job(server)).spec
        assert (spec.profile, spec.max_chunk_seconds) == (Profile.LIGHT, 600)
        assert (spec.source.raw_format, spec.source.sample_rate, spec.source.channels) == (RawFormat.S24LE, 44_100, 1)


@pytest.mark.parametrize(
    ("query", "body", "content_type", "status", "code"),
    [
        pytest.param("profile=loud", SOUND, "audio/mpeg", 422, "invalid_request", id="option"),
        pytest.param("profile=light&profile=none", SOUND, "audio/mpeg", 422, "invalid_request", id="option twice"),
        pytest.param("sampleRate=8000", SOUND, "audio/mpeg", 422, "invalid_request", id="rate alone"),
        pytest.param(
            "profile=loud", form(part("file", SOUND)), None, 422, "invalid_request", id="option beside a form"
        ),
        pytest.param("", b"", "audio/mpeg", 400, "empty_file", id="nothing"),
        pytest.param("", b"", "", 400, "invalid_upload", id="nothing of no type"),
        pytest.param("", SOUND, "application/x-www-form-urlencoded", 400, "invalid_upload", id="what curl -d says"),
        pytest.param("", SOUND, "application/json", 400, "invalid_upload", id="JSON"),
        pytest.param("", SOUND, "text/plain", 400, "invalid_upload", id="text"),
        pytest.param("", form(part("file", SOUND)), "audio/mpeg", 400, "invalid_upload", id="a form of a file's type"),
        pytest.param("", form(part("file", SOUND)), "multipart/form-data", 400, "invalid_upload", id="no boundary"),
        pytest.param("", SOUND, "audio", 400, "invalid_upload", id="half a type"),
    ],
)
async def test_a_body_that_is_refused_leaves_nothing(
    tmp_path: Path, query: str, body: bytes, content_type: str | None, status: int, code: str
) -> None:
    async with serving_api(tmp_path) as server:
        types = {} if content_type is None else {"content_type": content_type}
        answer = await upload(server, body, path=f"/whisper_optimize?{query}", **types)
        assert (answer.status, answer.code) == (status, code)
        if code == "invalid_upload":
            helpful = ("application/octet-stream", "do not set this header yourself")
            assert any(words in answer.json["error"] for words in helpful), "it says what would do"
        assert await nothing_is_stored(server)


@pytest.mark.parametrize("declared", [True, False])
async def test_the_bytes_of_a_body_are_counted(tmp_path: Path, declared: bool) -> None:
    async with serving_api(tmp_path, api_settings(max_upload_bytes=100_000)) as server:
        for size, status in ((100_000, 202), (100_001, 413)):
            sent = SOUND[:size]
            async with connected(server.port) as client:
                head = upload_head(size if declared else None, content_type="audio/mpeg")
                await client.send(head + (sent if declared else chunked(sent)))
                assert (await client.answer()).status == status
        await server.settled()
        assert len(server.objects()) == len(await server.jobs()) == 1


async def test_a_body_that_is_cut_short_leaves_nothing(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        for length, sent in ((len(SOUND), SOUND[:-1]), (None, chunked(SOUND)[:-5])):
            async with connected(server.port) as client:
                await client.send(upload_head(length, content_type="audio/mpeg") + sent)
                await until(lambda: server.upload_gate.in_flight == 1, "the upload to begin")
                client.vanish()
            assert await nothing_is_stored(server)


async def test_a_form_and_a_body_with_one_key_make_one_job(tmp_path: Path) -> None:
    key = "Idempotency-Key: order-7\r\n"
    async with serving_api(tmp_path) as server:
        first = await upload(server, form(part("file", SOUND, "a.mp3")), key)
        again = await upload(server, SOUND, key, content_type="audio/mpeg")
        assert (again.status, again.json["jobId"]) == (202, first.json["jobId"])
        other = await upload(server, SOUND, key, path="/whisper_optimize?profile=none", content_type="audio/mpeg")
        assert (other.status, other.code) == (409, "idempotency_mismatch")


async def test_a_body_waits_for_its_turn_like_a_form(tmp_path: Path) -> None:
    async with serving_api(tmp_path, api_settings(max_concurrent_uploads=1)) as server, connected(server.port) as first:
        await first.send(upload_head(len(SOUND), content_type="audio/mpeg") + SOUND[:100])
        await until(lambda: server.upload_gate.in_flight == 1, "the first upload to begin")
        answer = await upload(server, SOUND, content_type="audio/mpeg")
        assert (answer.status, answer.code) == (503, "unavailable")
        await first.send(SOUND[100:])
        assert (await first.answer()).status == 202


async def test_common_clients_send_bodies(tmp_path: Path) -> None:
    file = tmp_path / "talk.mp3"
    file.write_bytes(SOUND * 10)  # above the size from which curl expects 100 Continue
    async with serving_api(tmp_path / "data") as server:
        url = f"http://127.0.0.1:{server.port}/whisper_optimize?filename=talk.mp3"
        typed = ["-H", "Content-Type: audio/mpeg"]
        for sending in (
            ["--data-binary", f"@{file}", *typed],
            ["-X", "POST", "-T", str(file)],
            ["-X", "POST", "-T", "-"],
        ):
            with file.open("rb") as stdin:
                process = await asyncio.create_subprocess_exec(
                    "curl", "-sS", "--fail-with-body", "-H", f"X-API-Key: {KEY}", *sending, url, stdin=stdin
                )
                assert await process.wait() == 0
        answer = await server.client.post(
            url, content=io.BytesIO(SOUND * 10).read(), headers={"Content-Type": "audio/mpeg"}
        )
        assert answer.status_code == 202
        sources = [record.spec.source for record in (await server.records.list()).items]
        assert [(source.filename, source.size_bytes) for source in sources] == [("talk.mp3", len(SOUND) * 10)] * 4
