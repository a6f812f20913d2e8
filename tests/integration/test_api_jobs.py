"""Jobs over HTTP: their fields, lists, counts, deletion and errors, as a client sees them."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from support.api.completed_jobs import decoded
from support.api.raw_http import connected
from support.api.server import KEY, OTHER_KEY, ApiServer, serving_api
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import Phase, Step
from whisperjob.model.resource import JobFailure, Source, Spec, Status, WhisperJob

NOWHERE = names.new_job_name()
TICK = timedelta(milliseconds=1)
"""Records count in these; jobs made within one are sorted by name."""


async def a_job(server: ApiServer, tenant: str = "alice", client_ip: str | None = None, **status: object) -> WhisperJob:
    name = names.new_job_name()
    source = Source(key=names.new_upload_key("default", name), filename="talk.mp4", size_bytes=47_400_000)
    job = await server.records.create(name, Spec(source=source, tenant=tenant, client_ip=client_ip))
    if status:
        job = await server.records.patch_status(name, Status.model_validate(status), job.version)
    await until(lambda: server.cache.get(name) == job, "the cache to know the job")
    await until(lambda: datetime.now(UTC) > job.metadata.creation_timestamp + TICK, "the clock to move")
    return job


async def failed_job(server: ApiServer) -> WhisperJob:
    failure = JobFailure(code=JobCode.NO_AUDIO, message="The file has no audio track.")
    return await a_job(server, phase=Phase.ERROR, step=Step.ANALYZING, progress=5, error=failure, warnings=("odd",))


async def test_a_job_shows_exactly_the_fields_of_its_state(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        common = {"originalFilename": "talk.mp4", "originalSizeMB": 45.2, "warnings": []}

        queued = await a_job(server)
        seen = (await server.client.get(f"/job/{queued.name}")).json()
        created = seen.pop("createdAt")
        state = {"jobId": queued.name, "status": "queued", "step": "uploaded", "progress": 0, "duration": None}
        assert seen == {**common, **state}
        assert len(created) == len("2026-02-12T10:00:00.000Z")
        assert created.endswith("Z")

        running = await a_job(
            server, phase=Phase.PROCESSING, step=Step.ENHANCING, progress=47, duration_seconds=3600.5, attempt=1
        )
        seen = (await server.client.get(f"/job/{running.name}")).json()
        del seen["createdAt"]
        state = {"jobId": running.name, "status": "processing", "step": "enhancing", "progress": 47, "duration": 3600.5}
        assert seen == {**common, **state}

        failed = await failed_job(server)
        seen = (await server.client.get(f"/job/{failed.name}")).json()
        del seen["createdAt"]
        state = {"jobId": failed.name, "status": "error", "duration": None, "warnings": ["odd"]}
        assert seen == {**common, **state, "error": "The file has no audio track.", "errorCode": "no_audio"}

        done = await server.completed(24_000, 12_000)
        seen = (await server.client.get(f"/job/{done.name}")).json()
        chunks, tracks = seen.pop("chunks"), seen.pop("tracks")
        del seen["createdAt"]
        assert [(track["index"], track["language"], track["used"], track["reason"]) for track in tracks] == [
            (0, "eng", True, None),
            (1, None, False, "undecodable"),
        ]
        state = {"jobId": done.name, "status": "completed", "step": "done", "progress": 100, "duration": 2.25}
        assert seen == {**common, **state, "outputSizeMB": 0.0, "totalChunks": 2}
        assert [
            {**chunk, "sha256": len(chunk["sha256"])} for chunk in chunks
        ] == [
            {
                "index": index,
                "filename": f"chunk_00{index}.mp3",
                "sizeMB": 0.0,
                "downloadUrl": f"/job/{done.name}/download/chunk_00{index}.mp3",
                "startSeconds": start,
                "durationSeconds": length,
                "sha256": 64,
            }
            for index, start, length in ((0, 0.0, 1.5), (1, 1.5, 0.75))
        ]  # fmt: skip


async def test_chunks_of_channels_say_whose_they_are(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        call = await server.completed(16_000, 8000, 16_000, 8000, multichannel=True)
        seen = (await server.client.get(f"/job/{call.name}")).json()
        assert [(chunk["channel"], chunk["startSeconds"]) for chunk in seen["chunks"]] == [
            (0, 0.0),
            (0, 1.0),
            (1, 0.0),
            (1, 1.0),
        ]
        assert seen["duration"] == 1.5
        for limit, expected in ((1.25, [(0, 1.0), (0, 0.25), (1, 1.0), (1, 0.25)]), (0.5, [(0, 0.5), (1, 0.5)])):
            trim = (await server.client.post("/demo_trim", json={"jobId": call.name, "maxSeconds": limit})).json()
            assert [(chunk["channel"], chunk["durationSeconds"]) for chunk in trim["chunks"]] == expected
            for chunk in trim["chunks"]:
                data = (await server.client.get(chunk["downloadUrl"])).content
                assert len(decoded(data)) == 2 * round(16_000 * chunk["durationSeconds"])


async def test_jobs_are_listed_newest_first_in_stable_pages(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        made = [(await a_job(server)).name for _ in range(5)]
        foreign = await a_job(server, tenant="bob")
        first = (await server.client.get("/jobs", params={"limit": 2})).json()
        assert [job["jobId"] for job in first["jobs"]] == [made[4], made[3]]
        assert "chunks" not in first["jobs"][0]

        await a_job(server)  # a newer one moves nothing
        second = (await server.client.get("/jobs", params={"limit": 2, "cursor": first["nextCursor"]})).json()
        third = (await server.client.get("/jobs", params={"limit": 2, "cursor": second["nextCursor"]})).json()
        assert [job["jobId"] for job in second["jobs"] + third["jobs"]] == [made[2], made[1], made[0]]
        assert third["nextCursor"] is None
        assert foreign.name not in (await server.client.get("/jobs")).text

        failed = await failed_job(server)
        only = (await server.client.get("/jobs", params={"status": "error", "cursor": ""})).json()
        assert [job["jobId"] for job in only["jobs"]] == [failed.name]


async def test_stats_count_the_jobs_that_exist(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        await a_job(server, client_ip="192.0.2.1")
        gone = await a_job(server, client_ip="192.0.2.1")
        await a_job(server, client_ip="198.51.100.7")
        await a_job(server, client_ip="198.51.100.7", phase=Phase.PROCESSING, attempt=1)
        await failed_job(server)
        await a_job(server, tenant="bob", client_ip="192.0.2.99")
        await server.client.delete(f"/job/{gone.name}")
        await server.completed(1000)
        await until(lambda: len(server.cache.all()) == 6, "the cache to know all")
        assert (await server.client.get("/stats")).json() == {
            "totalJobs": 5,
            "queued": 2,
            "processing": 1,
            "completed": 1,
            "errored": 1,
            "topClients": [{"ip": "198.51.100.7", "requests": 2}, {"ip": "192.0.2.1", "requests": 1}],
        }


async def test_a_deleted_job_is_gone_at_once(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await a_job(server)
        answer = await server.client.delete(f"/job/{job.name}")
        assert (answer.status_code, answer.content) == (204, b"")
        for response in (await server.client.get(f"/job/{job.name}"), await server.client.delete(f"/job/{job.name}")):
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert await server.jobs() == []


async def test_a_job_that_is_not_cached_yet_is_found(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await a_job(server)
        server.cache._by_name.clear()  # another replica created it, and the watch has not reported it yet
        assert (await server.client.get(f"/job/{job.name}")).status_code == 200


async def test_an_id_in_upper_case_is_the_same_job(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(16_000)
        upper = job.name.upper()
        assert (await server.client.get(f"/job/{upper}")).json()["jobId"] == job.name
        assert (await server.client.get(f"/job/{upper}/download/output.mp3")).status_code == 200
        assert (await server.client.post("/demo_trim", json={"jobId": upper, "maxSeconds": 0.5})).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Authorization": f"Bearer {KEY}"}, 200, id="a bearer token"),
        pytest.param({"Authorization": f"bearer  {KEY}"}, 200, id="the scheme in lower case, two spaces"),
        pytest.param(
            {"Authorization": "Basic eDp5", "X-API-Key": KEY}, 200, id="a proxy's own credentials beside the key"
        ),
        pytest.param(
            {"Authorization": f"Bearer {KEY}", "X-API-Key": "wrong"}, 401, id="a wrong key beside a right token"
        ),
        pytest.param({"Authorization": f"Basic {KEY}"}, 401, id="the key as another scheme"),
        pytest.param({"Authorization": KEY}, 401, id="the key without a scheme"),
        pytest.param({"Authorization": "Bearer wrong"}, 401, id="a wrong token"),
        pytest.param({"Authorization": "Bearer"}, 401, id="no token"),
        pytest.param({}, 401, id="no key"),
    ],
)
async def test_the_key_may_be_a_bearer_token(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    async with serving_api(tmp_path) as server, httpx.AsyncClient(base_url=server.client.base_url) as client:
        assert (await client.get("/stats", headers=headers)).status_code == status


async def test_another_tenants_job_is_as_unknown_as_one_that_never_was(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(16_000)
        bob = httpx.AsyncClient(base_url=server.client.base_url, headers={"X-API-Key": OTHER_KEY})
        async with bob:
            for known in (job.name, NOWHERE, "-", "..", "%2e%2e", "A" * 300):
                answers = [
                    await bob.get(f"/job/{known}"),
                    await bob.delete(f"/job/{known}"),
                    await bob.get(f"/job/{known}/download/output.mp3"),
                    await bob.head(f"/job/{known}/download/output.mp3"),
                    await bob.get(f"/diarize/{known}"),
                    await bob.post("/diarize", json={"jobId": known}),
                    await bob.post("/demo_trim", json={"jobId": known, "maxSeconds": 0.5}),
                ]
                assert [answer.status_code for answer in answers] == [404] * 7, known
                assert all(
                    answer.request.method == "HEAD" or answer.json()["code"] == "not_found" for answer in answers
                )
            assert (await bob.get("/jobs")).json() == {"jobs": [], "nextCursor": None}
            assert (await bob.get("/stats")).json()["totalJobs"] == 0
        assert (await server.client.get(f"/job/{job.name}")).status_code == 200


NONSENSE: list[tuple[str, str, bytes | None, int, str]] = [
    ("GET", "/nothing/here", None, 404, "not_found"),
    ("POST", "/jobs", None, 405, "method_not_allowed"),
    ("GET", "/whisper_optimize", None, 405, "method_not_allowed"),
    ("GET", "/jobs?limit=0", None, 422, "invalid_request"),
    ("GET", "/jobs?limit=201", None, 422, "invalid_request"),
    ("GET", "/jobs?status=done", None, 422, "invalid_request"),
    ("GET", "/jobs?cursor=bm9uc2Vuc2U", None, 422, "invalid_request"),
    ("GET", "/jobs?cursor=%F0%9F%92%A9", None, 422, "invalid_request"),
    ("POST", "/demo_trim", b"{", 422, "invalid_request"),
    ("POST", "/demo_trim", b"", 422, "invalid_request"),
    ("POST", "/demo_trim", b"[]", 422, "invalid_request"),
    ("POST", "/demo_trim", b'{"jobId": "x"}', 422, "invalid_request"),
    ("POST", "/demo_trim", b'{"jobId": "x", "maxSeconds": 0}', 422, "invalid_request"),
    ("POST", "/demo_trim", b'{"jobId": "x", "maxSeconds": -1}', 422, "invalid_request"),
    ("POST", "/demo_trim", b'{"jobId": "x", "maxSeconds": NaN}', 422, "invalid_request"),
    ("POST", "/demo_trim", b'{"jobId": "x", "maxSeconds": 1e999}', 422, "invalid_request"),
    ("POST", "/demo_trim", b'{"jobId": "x", "maxSeconds": true}', 422, "invalid_request"),
    ("POST", "/demo_trim", b'{"jobId": "x", "maxSeconds": "5 s"}', 422, "invalid_request"),
    ("POST", "/demo_trim", b'{"jobId": "x", "maxSeconds": ' + b"9" * 5000 + b"}", 422, "invalid_request"),
    ("POST", "/diarize", b'{"jobId": "x", "numSpeakers": -1}', 422, "invalid_request"),
    ("POST", "/diarize", b'{"jobId": "x", "numSpeakers": 65}', 422, "invalid_request"),
    ("POST", "/diarize", b'{"jobId": "x", "minSpeakers": 3, "maxSpeakers": 2}', 422, "invalid_request"),
    ("POST", "/diarize", b" " * 70_000, 413, "too_large"),
]


async def test_invalid_requests_get_a_sentence(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        for method, path, body, status, code in NONSENSE:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            answer = await server.client.request(method, path, content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code), (path, (body or b"")[:80])
            assert set(answer.json()) == {"error", "code"}
            assert re.fullmatch(r"([a-zA-Z-]+: )?\w[^:]*\.", answer.json()["error"]), "a field, then a sentence"
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "no-store"


async def test_a_wrong_key_is_reported_before_a_body_too_large(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        answer = await server.client.post("/diarize", content=bytes(70_000), headers={"X-API-Key": "wrong"})
        assert answer.status_code == 401


async def test_invalid_http_gets_an_error_too(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server, connected(server.port) as client:
        await client.send(b"GARBAGE\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.code) == (400, "invalid_request")
        assert await client.closed_by_server()


async def test_a_chunked_body_over_the_limit_is_too_large(tmp_path: Path) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 4096

    async with serving_api(tmp_path) as server:
        answer = await server.client.post("/demo_trim", content=body())
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


async def test_a_job_without_output_has_no_files(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        for job in (await a_job(server), await failed_job(server)):
            for answer in (
                await server.client.get(f"/job/{job.name}/download/output.mp3"),
                await server.client.post("/demo_trim", json={"jobId": job.name, "maxSeconds": 5}),
                await server.client.post("/diarize", json={"jobId": job.name}),
            ):
                assert (answer.status_code, answer.json()["code"]) == (409, "not_completed")


WRONG_KEYS: tuple[dict[str, str], ...] = (
    {},
    {"X-API-Key": ""},
    {"X-API-Key": "wrong"},
    {"X-API-Key": f"alice:{KEY}"},
    {"Authorization": f"Basic {KEY}"},
    {"Authorization": "Bearer wrong"},
)


@pytest.mark.parametrize("headers", WRONG_KEYS, ids=str)
async def test_everything_but_health_and_docs_needs_a_key(tmp_path: Path, headers: dict[str, str]) -> None:
    async with serving_api(tmp_path) as server, httpx.AsyncClient(base_url=server.client.base_url) as stranger:
        for method, path in (
            ("GET", "/stats"),
            ("GET", "/jobs"),
            ("GET", f"/job/{NOWHERE}"),
            ("DELETE", f"/job/{NOWHERE}"),
            ("GET", f"/job/{NOWHERE}/download/output.mp3"),
            ("POST", "/whisper_optimize"),
            ("POST", "/demo_trim"),
            ("POST", "/diarize"),
            ("GET", f"/diarize/{NOWHERE}"),
        ):
            answer = await stranger.request(method, path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
        for path in ("/health", "/livez", "/readyz", "/docs", "/openapi.json"):
            assert (await stranger.get(path)).status_code == 200
        assert (await stranger.get("/health")).json() == {"status": "ok", "ffmpeg": True, "diarization": False}


async def test_readiness_follows_records_and_store(tmp_path: Path) -> None:
    async with serving_api(tmp_path, engine_ready=lambda: False) as server:
        assert (await server.client.get("/health")).json() == {"status": "ok", "ffmpeg": False, "diarization": False}
        assert (await server.client.get("/readyz")).status_code == 200
        await server.records.close()  # type: ignore[attr-defined]  # SqliteRecords'

        answer = await server.client.get("/readyz")
        while answer.status_code == 200:
            answer = await server.client.get("/readyz")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await server.client.get("/livez")).status_code == 200


async def test_unavailable_records_are_an_error_with_retry_after(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        await server.records.close()  # type: ignore[attr-defined]  # SqliteRecords'
        answer = await server.client.get(f"/job/{NOWHERE}")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1


async def test_an_internal_error_shows_no_details(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bool:
        raise RuntimeError("secret detail")

    async with serving_api(tmp_path, engine_ready=broken) as server:
        answer = await server.client.get("/health")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert "secret detail" in caplog.text
