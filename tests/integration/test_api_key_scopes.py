"""What a key may do over HTTP, how it ends, how wrong ones are slowed, and what the audit log has of it."""

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.api.server import KEY, OTHER_KEY, ApiServer, api_settings, serving_api
from whisperjob.model.settings import ApiSettings, ClientAddress
from whisperjob_api.keys.failed_guesses import FAILURES_A_MINUTE
from whisperjob_api.keys.key_folder import change_records
from whisperjob_api.keys.key_records import create_key, revoke_key
from whisperjob_api.keys.key_source import KeySource
from whisperjob_api.keys.key_text import make_key
from whisperjob_api.keys.scopes import ROUTE_SCOPES, Scope

JOB = "56240cad-d32c-4e31-ae2c-ac214ede4e9e"
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80>\x00\x00\x00}\x00\x00\x02\x00\x10\x00data\x00"
PROTECTED = [route for route, scope in ROUTE_SCOPES.items() if scope is not None]


def create(folder: Path, *scopes: Scope, lifetime: timedelta | None = None, now: datetime | None = None) -> str:
    """Returns the text of a new key of alice."""
    made = change_records(
        folder, lambda file: create_key(file, "a test", "alice", scopes, lifetime, now or datetime.now(UTC))
    )
    assert made.text is not None
    return made.text


def key_id(text: str) -> str:
    return text.split("_")[1]


def source(folder: Path) -> KeySource:
    return KeySource([f"alice:{KEY}", f"bob:{OTHER_KEY}"], [folder / "keys.json"])


async def ask(server: ApiServer, key: str, method: str = "GET", path: str = "/jobs", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.client.base_url, timeout=20) as client:
        return await client.request(method, path, headers={"X-API-Key": key, **headers})


def audit(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "whisperjob.audit"]


@pytest.mark.parametrize("scope", Scope)
async def test_a_key_may_do_what_its_scope_says_and_nothing_else(tmp_path: Path, scope: Scope) -> None:
    text = create(tmp_path, scope)
    async with serving_api(tmp_path, keys=source(tmp_path)) as server:
        for method, path in PROTECTED:
            needed = ROUTE_SCOPES[method, path]
            address = path.format(job_id=JOB, filename="output.mp3")
            answer = await ask(server, text, method, address)
            refused = (answer.status_code, answer.json().get("code")) == (403, "insufficient_scope")
            assert refused == (scope not in (needed, Scope.ADMIN)), (method, path)
            if refused:
                assert answer.json()["error"] == f"This API key may not do this: it lacks the scope `{needed}`."
            else:
                assert answer.status_code not in (401, 403), (method, path)
            if method == "GET":
                assert (await ask(server, text, "HEAD", address)).status_code == answer.status_code


async def test_a_refused_upload_is_refused_before_its_body(tmp_path: Path) -> None:
    text = create(tmp_path, Scope.READ)
    async with serving_api(tmp_path, keys=source(tmp_path)) as server:
        answer = await server.client.post(
            "/whisper_optimize", files={"file": ("a.wav", WAV * 100_000)}, headers={"X-API-Key": text}
        )
        assert answer.status_code == 403
        assert await server.jobs() == []
        assert server.objects() == []


async def test_a_key_of_another_tenant_stays_outside_whatever_its_scopes(tmp_path: Path) -> None:
    text = change_records(
        tmp_path, lambda file: create_key(file, "b", "bob", [Scope.ADMIN], None, datetime.now(UTC))
    ).text
    async with serving_api(tmp_path, keys=source(tmp_path)) as server:
        job = await server.completed(16_000)  # alice's
        assert (await ask(server, str(text), "GET", f"/job/{job.name}")).status_code == 404
        assert (await ask(server, str(text), "DELETE", f"/job/{job.name}")).status_code == 404
        assert (await server.client.get(f"/job/{job.name}")).status_code == 200


async def test_an_expired_and_a_revoked_key_are_told_so(tmp_path: Path) -> None:
    expired = create(tmp_path, Scope.READ, lifetime=timedelta(days=1), now=datetime.now(UTC) - timedelta(days=2))
    revoked = create(tmp_path, Scope.READ)
    change_records(tmp_path, lambda file: revoke_key(file, key_id(revoked), datetime.now(UTC)))
    async with serving_api(tmp_path, keys=source(tmp_path)) as server:
        for text, code in ((expired, "key_expired"), (revoked, "key_revoked")):
            for _ in range(FAILURES_A_MINUTE + 5):  # a program with an old key does not slow its neighbours
                answer = await ask(server, text)
                assert (answer.status_code, answer.json()["code"]) == (401, code)


async def test_a_mistyped_key_is_told_so(tmp_path: Path) -> None:
    text = create(tmp_path, Scope.READ)
    async with serving_api(tmp_path, keys=source(tmp_path)) as server:
        answer = await ask(server, text[:-1])
        assert answer.json() == {
            "error": "The key in the X-API-Key header is mistyped or not whole.",
            "code": "unauthorized",
        }


async def test_a_running_service_takes_over_new_and_revoked_keys(tmp_path: Path) -> None:
    keys = source(tmp_path)
    async with serving_api(tmp_path, keys=keys) as server:
        text = create(tmp_path, Scope.READ)
        assert (await ask(server, text)).status_code == 401
        await keys.refresh()
        assert (await ask(server, text)).status_code == 200
        assert key_id(text) in keys.last_uses.times
        change_records(tmp_path, lambda file: revoke_key(file, key_id(text), datetime.now(UTC)))
        await keys.refresh()
        assert (await ask(server, text)).json()["code"] == "key_revoked"
        assert (await server.client.get("/jobs")).status_code == 200


async def test_who_guesses_must_wait_and_who_has_a_key_need_not(tmp_path: Path) -> None:
    made = create(tmp_path, Scope.READ)
    async with serving_api(tmp_path, keys=source(tmp_path)) as server:
        assert (await server.client.get("/jobs")).status_code == 200
        statuses = [(await ask(server, make_key().text)).status_code for _ in range(FAILURES_A_MINUTE)]
        assert statuses == [401] * FAILURES_A_MINUTE
        answer = await _until_slowed(server, "wrong")
        assert answer.json()["code"] == "too_many_wrong_keys"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        # A made key is never shut out, nor is one that was used from here before.
        assert (await ask(server, made)).status_code == 200
        assert (await server.client.get("/jobs")).status_code == 200
        # A chosen key is not looked up for somebody who guesses: a right guess has the answer of a wrong one.
        await _until_slowed(server, "wrong")
        assert (await ask(server, OTHER_KEY)).json() == answer.json()
        # The probes, the documentation and the preflights need no key, and no header is no guess.
        assert (await server.client.get("/health")).status_code == 200
        async with httpx.AsyncClient(base_url=server.client.base_url) as stranger:
            assert (await stranger.get("/jobs")).status_code == 401


async def _until_slowed(server: ApiServer, wrong: str) -> httpx.Response:
    """Sends a wrong key until it is refused as one too many: one more may be allowed every two seconds."""
    for _ in range(10 * FAILURES_A_MINUTE):
        answer = await ask(server, wrong)
        if answer.status_code == 429:
            return answer
    raise AssertionError("it is never slowed")


async def test_addresses_behind_a_trusted_proxy_are_slowed_apart(tmp_path: Path) -> None:
    settings = ApiSettings(**api_settings().model_dump() | {"trusted_proxies": "127.0.0.0/8"})
    async with serving_api(tmp_path, settings, keys=source(tmp_path)) as server:

        async def wrong(address: str) -> int:
            return (await ask(server, "wrong", **{"X-Forwarded-For": address})).status_code

        assert 429 in [await wrong(f"2001:db8:0:1::{number:x}") for number in range(1, FAILURES_A_MINUTE + 3)]
        assert await wrong("2001:db8:0:2::1") == 401
        assert await wrong("192.0.2.1") == 401


async def test_a_preflight_needs_no_key_also_from_a_slowed_address(tmp_path: Path) -> None:
    settings = api_settings(cors_origins=("https://app.example",))
    async with serving_api(tmp_path, settings, keys=source(tmp_path)) as server:
        await _until_slowed(server, "wrong")
        async with httpx.AsyncClient(base_url=server.client.base_url) as page:
            answer = await page.options(
                "/jobs",
                headers={
                    "Origin": "https://app.example",
                    "Access-Control-Request-Method": "GET",
                    "Access-Control-Request-Headers": "X-API-Key",
                },
            )
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        refused = await ask(server, "wrong", Origin="https://app.example")
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (429, "https://app.example")


async def test_the_audit_log_says_who_did_what(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "whisperjob.audit")
    text, reader = create(tmp_path, Scope.ADMIN), create(tmp_path, Scope.READ)
    async with serving_api(tmp_path, keys=source(tmp_path)) as server:
        done = await server.completed(16_000)
        server.client.headers["X-API-Key"] = text
        upload = await server.client.post("/whisper_optimize", files={"file": ("a.wav", WAV)})
        job = upload.json()["jobId"]
        await server.client.get(f"/job/{job}")
        await server.client.post("/demo_trim", json={"jobId": done.name, "maxSeconds": 0.5})
        await server.client.post("/diarize", json={"jobId": done.name})
        await server.client.delete(f"/job/{job}")
        await server.client.delete("/job/no%0Asuch%1b[1mjob")
        await ask(server, reader, "DELETE", f"/job/{done.name}")
        await ask(server, "a-wrong-key-of-somebody")
    who = {"key": key_id(text), "tenant": "alice"}
    whose = {"key": key_id(reader), "tenant": "alice"}
    where = {"address": "127.0.0.1"}
    assert audit(caplog) == [
        {"action": "submit", "outcome": "done", **who, "job": job, **where, "status": 202},
        {"action": "trim", "outcome": "done", **who, "job": done.name, **where, "status": 200},
        {"action": "diarize", "outcome": "failed", **who, "job": done.name, **where, "status": 503},
        {"action": "delete", "outcome": "done", **who, "job": job, **where, "status": 204},
        {"action": "delete", "outcome": "refused", **who, **where, "status": 404},
        {"action": "delete", "outcome": "insufficient_scope", **whose, "job": done.name, **where, "status": 403},
        {"action": "refuse_key", "outcome": "unauthorized", **where, "status": 401},
    ]
    assert not [secret for secret in (text, reader, "a-wrong-key-of-somebody") if secret in caplog.text]


@pytest.mark.parametrize(
    ("precision", "stored"),
    [(ClientAddress.FULL, "203.0.113.77"), (ClientAddress.TRUNCATED, "203.0.113.0"), (ClientAddress.NONE, None)],
)
async def test_the_audit_log_has_no_more_of_an_address_than_is_allowed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, precision: ClientAddress, stored: str | None
) -> None:
    caplog.set_level(logging.INFO, "whisperjob.audit")
    settings = ApiSettings(
        **api_settings().model_dump() | {"trusted_proxies": "127.0.0.0/8", "client_address": precision}
    )
    async with serving_api(tmp_path, settings) as server:
        await ask(server, "wrong", **{"X-Forwarded-For": "203.0.113.77"})
        await ask(server, KEY, "DELETE", f"/job/{JOB}", **{"X-Forwarded-For": "203.0.113.77"})
    assert [line.get("address") for line in audit(caplog)] == [stored, stored]


async def test_strangers_cannot_fill_the_audit_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "whisperjob.audit")
    settings = ApiSettings(**api_settings().model_dump() | {"trusted_proxies": "127.0.0.0/8"})
    async with serving_api(tmp_path, settings) as server:
        async with httpx.AsyncClient(base_url=server.client.base_url) as client:
            for number in range(400):
                headers = {"X-API-Key": "wrong", "X-Forwarded-For": f"198.51.{number // 200}.{number % 200}"}
                assert (await client.get("/jobs", headers=headers)).status_code == 401
        assert 120 <= len(audit(caplog)) <= 240
