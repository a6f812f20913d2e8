"""Web pages of other origins: which may call the API, what their browsers ask first, and what they may read."""

from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from support.api.server import KEY, api_settings, serving_api
from whisperjob.model.settings import ApiSettings

PAGE = "https://app.example"


def preflight(
    server_client: httpx.AsyncClient, path: str, method: str, headers: str, origin: str = PAGE
) -> httpx.Request:
    request_headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }
    request = server_client.build_request("OPTIONS", path, headers=request_headers)
    request.headers.pop("X-API-Key", None)  # a browser sends no header of the page before it has the answer
    return request


@pytest.mark.parametrize("origins", [PAGE, f"http://localhost:5173, {PAGE}", "*"])
@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/whisper_optimize", "POST", "x-api-key,idempotency-key"),
        ("/job/some-job", "GET", "x-api-key"),
        ("/job/some-job", "DELETE", "x-api-key"),
        ("/job/some-job/download/output.mp3", "GET", "x-api-key,range"),
        ("/demo_trim", "POST", "content-type,x-api-key"),
        ("/whisper_optimize?filename=a.mp3", "POST", "content-type,x-filename,content-disposition,x-api-key"),
    ],
)
async def test_a_preflight_needs_no_key(tmp_path: Path, origins: str, path: str, method: str, headers: str) -> None:
    async with serving_api(tmp_path, api_settings(cors_origins=origins)) as server:
        answer = await server.client.send(preflight(server.client, path, method, headers))
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] in (PAGE, "*")
        assert method in answer.headers["Access-Control-Allow-Methods"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_a_page_reads_answers_and_errors(tmp_path: Path) -> None:
    async with serving_api(tmp_path, api_settings(cors_origins=PAGE, max_upload_bytes=1000)) as server:
        sent = {"Origin": PAGE, "X-API-Key": KEY}
        answers = [
            await server.client.get("/stats", headers=sent),
            await server.client.get("/stats", headers={"Origin": PAGE, "X-API-Key": "wrong"}),
            await server.client.get("/job/none", headers=sent),
            await server.client.post("/whisper_optimize", headers=sent, files={"file": ("a.wav", bytes(3000))}),
            await server.client.post("/demo_trim", headers=sent, content=bytes(100_000)),
        ]
        assert [answer.status_code for answer in answers] == [200, 401, 404, 413, 413]
        for answer in answers:
            assert answer.headers["Access-Control-Allow-Origin"] == PAGE
            assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
            assert "Warning" in answer.headers["Access-Control-Expose-Headers"]
            assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    ("path", "method", "headers", "origin", "sentence"),
    [
        pytest.param("/stats", "GET", "x-api-key", "https://evil.example", "WHISPERJOB_CORS_ORIGINS", id="origin"),
        pytest.param("/stats", "PUT", "x-api-key", PAGE, "method", id="method"),
        pytest.param("/stats", "GET", "x-surprise", PAGE, "headers", id="header"),
    ],
)
async def test_a_refused_preflight_is_an_error_like_all_others(
    tmp_path: Path, path: str, method: str, headers: str, origin: str, sentence: str
) -> None:
    async with serving_api(tmp_path, api_settings(cors_origins=PAGE)) as server:
        answer = await server.client.send(preflight(server.client, path, method, headers, origin))
        assert (answer.status_code, answer.json()["code"]) == (400, "cross_origin_refused")
        assert sentence in answer.json()["error"]
        assert answer.headers["Content-Type"] == "application/json"
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    ("origins", "origin"),
    [
        pytest.param("", PAGE, id="none by default"),
        pytest.param(PAGE, "https://app.example.evil", id="a name that only begins alike"),
        pytest.param(PAGE, "http://app.example", id="another scheme"),
        pytest.param(PAGE, "null", id="a page from a file"),
    ],
)
async def test_other_pages_may_not(tmp_path: Path, origins: str, origin: str) -> None:
    async with serving_api(tmp_path, api_settings(cors_origins=origins)) as server:
        refused = await server.client.send(preflight(server.client, "/stats", "GET", "x-api-key", origin))
        assert refused.status_code >= 400
        assert "Access-Control-Allow-Origin" not in refused.headers
        plain = await server.client.get("/stats", headers={"Origin": origin, "X-API-Key": KEY})
        assert "Access-Control-Allow-Origin" not in plain.headers


@pytest.mark.parametrize(
    "origins", ["app.example", "https://app.example/", "https://app.example/page", "ftp://a", "a b"]
)
def test_what_is_no_origin_is_refused_at_the_start(origins: str) -> None:
    with pytest.raises(ValidationError, match="cors_origins"):
        ApiSettings.model_validate({"cors_origins": origins})
