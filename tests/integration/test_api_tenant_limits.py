"""What a tenant may use, beside what others use."""

from pathlib import Path

from support.api.raw_http import connected, form, part, upload_head
from support.api.server import OTHER_KEY, api_settings, serving_api
from support.api.uploads import SOUND, upload
from whisperjob.model.tenants import TenantLimits

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
