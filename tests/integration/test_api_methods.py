"""What every path answers besides its own methods: HEAD, wrong methods, and documentation that needs no internet."""

import re
from pathlib import Path

import httpx

from support.api.server import serving_api
from whisperjob.model import names


async def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(16_000)
        for path in ("/health", "/docs", "/stats", "/jobs", f"/job/{job.name}", "/job/unknown"):
            whole, head = await server.client.get(path), await server.client.head(path)
            assert (head.status_code, head.content) == (whole.status_code, b""), path
            for name in ("content-type", "content-length"):
                assert head.headers[name] == whole.headers[name], path


async def test_a_wrong_method_gets_the_allowed_ones(tmp_path: Path) -> None:
    job = f"/job/{names.new_job_name()}"
    async with serving_api(tmp_path) as server:
        for path, allowed in (
            ("/health", "GET, HEAD"),
            ("/whisper_optimize", "POST"),
            (job, "GET, HEAD, DELETE"),
            (f"{job}/download/output.mp3", "GET, HEAD"),
        ):
            for method in ("OPTIONS", "PATCH", "TRACE", "PUT"):
                answer = await server.client.request(method, path)
                assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
                assert answer.headers["allow"] == allowed, path
                assert answer.json()["error"] == f"{method} is not allowed here; allowed are {allowed}."


async def test_the_docs_need_no_key_and_no_internet(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server, httpx.AsyncClient(base_url=server.client.base_url) as stranger:
        page = (await stranger.get("/docs")).text
        assets = re.findall(r'(?:src|href)="([^"]*)"', page)
        assert len(assets) >= 3
        for asset in assets:
            assert asset.startswith("/docs/assets/"), asset
            assert (await stranger.get(asset)).status_code == 200
        assert '"validatorUrl": "none"' in page
        for beside in ("/docs/assets/nothing.js", "/docs/assets/..%2fcore.py", "/docs/assets/"):
            assert (await stranger.get(beside)).json()["code"] == "not_found"
