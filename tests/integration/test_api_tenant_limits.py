"""What a tenant may use, beside what others use."""

from pathlib import Path

from support.api.completed_jobs import completed_job
from support.api.raw_http import connected, form, part, upload_head
from support.api.server import OTHER_KEY, api_settings, serving_api
from support.api.uploads import SOUND, upload
from support.waiting import until
from whisperjob.model.errors import StoreFullError
from whisperjob.model.tenants import TenantLimits
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import Readable

BOB = {"X-API-Key": OTHER_KEY}


async def test_a_tenant_that_sends_too_much_waits_and_no_other(tmp_path: Path) -> None:
    settings = api_settings(tenants={"alice": TenantLimits(requests_per_second=0.5)})
    async with serving_api(tmp_path, settings) as server:
        for left in (4, 3, 2, 1, 0):
            answer = await server.client.get("/jobs")
            assert answer.status_code == 200
            assert answer.headers["RateLimit-Policy"] == '"requests";q=5;w=10'
            assert answer.headers["RateLimit"].startswith(f'"requests";r={left};t=')
        refused = await server.client.get("/jobs")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 2
        assert refused.headers["RateLimit"].startswith('"requests";r=0;t=')
        other = await server.client.get("/jobs", headers=BOB)
        assert other.status_code == 200
        assert "RateLimit" not in other.headers
        assert (await server.client.get("/health")).status_code == 200


async def test_a_refused_upload_is_told_so_before_its_body(tmp_path: Path) -> None:
    settings = api_settings(tenants={"*": TenantLimits(requests_per_second=0.1)})
    body = form(part("file", SOUND))
    async with serving_api(tmp_path, settings) as server:
        assert (await upload(server, body)).status == 202
        async with connected(server.port) as client:
            await client.send(upload_head(len(body)))
            answer = await client.answer()
        assert (answer.status, answer.code) == (429, "rate_limited")


async def test_bytes_of_a_day_count_over_deletions_restarts_and_replicas(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    settings = api_settings(tenants={"alice": TenantLimits(bytes_per_day=2 * len(body) + 10)})
    async with serving_api(tmp_path, settings) as server:
        first = await upload(server, body, "Idempotency-Key: one\r\n")
        assert first.status == 202
        assert (await server.client.delete(f"/job/{first.json['jobId']}")).status_code == 204
        assert (await upload(server, body)).status == 202
    async with serving_api(tmp_path, settings) as restarted:
        refused = await upload(restarted, body)
        assert (refused.status, refused.code) == (429, "daily_limit")
        assert 86_000 < int(refused.headers["retry-after"]) <= 86_400
        async with connected(restarted.port) as bob:
            await bob.send(upload_head(len(body), key=OTHER_KEY) + body)
            assert (await bob.answer()).status == 202


async def test_uploads_in_flight_count_for_the_bytes_of_a_day(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    settings = api_settings(tenants={"alice": TenantLimits(bytes_per_day=len(body) + 10)})
    async with serving_api(tmp_path, settings) as server, connected(server.port) as first:
        await first.send(upload_head(len(body)) + body[:100])
        await until(lambda: server.upload_gate.in_flight == 1, "the first upload to begin")
        assert (await upload(server, body)).code == "daily_limit"
        first.vanish()
        await server.settled()
        assert (await upload(server, body, "Idempotency-Key: one\r\n")).status == 202
        assert (await upload(server, body, "Idempotency-Key: one\r\n")).status == 202  # no new job


async def test_an_upload_larger_than_a_day_s_bytes_is_never_worth_waiting_for(tmp_path: Path) -> None:
    settings = api_settings(tenants={"*": TenantLimits(bytes_per_day=1000)})
    async with serving_api(tmp_path, settings) as server:
        answer = await upload(server, form(part("file", SOUND)))
        assert (answer.status, answer.code) == (429, "daily_limit")
        assert "retry-after" not in answer.headers


async def test_hours_of_sound_count_after_their_jobs_are_deleted(tmp_path: Path) -> None:
    body = form(part("file", SOUND))
    settings = api_settings(tenants={"alice": TenantLimits(audio_hours_per_day=0.001)})
    async with serving_api(tmp_path, settings) as server:
        job = await server.completed(4 * 16_000)
        assert (await upload(server, body)).code == "daily_limit"
        assert (await server.client.delete(f"/job/{job.name}")).status_code == 204
        assert (await upload(server, body)).code == "daily_limit"


async def test_a_store_that_fails_keeps_nobody_from_deleting(tmp_path: Path) -> None:
    class Full(FolderStore):
        def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> int:
            raise StoreFullError("full")

    settings = api_settings(tenants={"alice": TenantLimits(bytes_per_day=1000)})
    folder = tmp_path / "store"
    async with serving_api(tmp_path, settings, store=Full(folder)) as server:
        job = await completed_job(server.records, FolderStore(folder), 16_000)
        assert (await server.client.delete(f"/job/{job.name}")).status_code == 204
