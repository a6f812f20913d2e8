"""Upload slots among tenants: one that holds them all, or is slow, shuts no other out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from support.api.raw_http import Answer, RawClient, connected, form, part, upload_head
from support.api.server import OTHER_KEY, ApiServer, api_settings, serving_api
from support.api.uploads import SOUND, upload
from support.waiting import until
from whisperjob_api import upload_slots

BODY = form(part("file", SOUND))


@asynccontextmanager
async def begun_uploads(server: ApiServer, *sent_bytes: int) -> AsyncIterator[list[RawClient]]:
    """Uploads of alice's that have sent so many bytes of their bodies each."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(server.port)) for _ in sent_bytes]
        for client, sent in zip(clients, sent_bytes, strict=True):
            await client.send(upload_head(len(BODY)) + BODY[:sent])
        await until(lambda: server.upload_gate.in_flight == len(sent_bytes), "the uploads to begin")
        yield clients
        for client in clients:
            client.vanish()


async def upload_as_bob(server: ApiServer) -> Answer:
    async with connected(server.port) as client:
        await client.send(upload_head(len(BODY), key=OTHER_KEY) + BODY)
        return await client.answer(20)


async def test_a_slow_upload_loses_its_slot_to_a_waiting_tenant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_slots, "JUDGED_AFTER_SECONDS", 0.0)
    sent = [5000] * 16
    sent[7] = 500
    async with serving_api(tmp_path) as server, begun_uploads(server, *sent) as uploads:
        assert (await upload_as_bob(server)).status == 202
        answer = await uploads[7].answer()
        assert (answer.status, answer.code) == (503, "upload_slot_lost")
        assert int(answer.headers["retry-after"]) > 0
        await uploads[0].send(BODY[5000:])
        assert (await uploads[0].answer()).status == 202


async def test_the_only_slot_is_taken_from_a_slow_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_slots, "JUDGED_AFTER_SECONDS", 0.0)
    async with (
        serving_api(tmp_path, api_settings(max_concurrent_uploads=1)) as server,
        begun_uploads(server, 1000) as uploads,
    ):
        assert (await upload_as_bob(server)).status == 202
        assert (await uploads[0].answer()).code == "upload_slot_lost"


async def test_a_tenant_with_its_share_waits_for_nobody(tmp_path: Path) -> None:
    async with (
        serving_api(tmp_path, api_settings(max_concurrent_uploads=2)) as server,
        begun_uploads(server, 1000, 1000),
    ):
        answer = await upload(server, BODY)
        assert (answer.status, answer.code) == (503, "unavailable")


async def test_a_slot_that_becomes_free_goes_to_the_tenant_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_slots, "FAST_GRACE_SECONDS", 60.0)
    monkeypatch.setattr(upload_slots, "PATIENCE_SECONDS", 30.0)
    settings = api_settings(max_concurrent_uploads=2, slow_upload_bytes_per_second=0)
    async with serving_api(tmp_path, settings) as server, begun_uploads(server, 1000, 1000) as uploads:
        waiting = asyncio.create_task(upload_as_bob(server))
        await until(lambda: server.upload_gate.in_flight == 3, "bob to wait")
        await uploads[0].send(BODY[1000:])
        assert (await uploads[0].answer()).status == 202
        assert (await waiting).status == 202
        await uploads[1].send(BODY[1000:])
        assert (await uploads[1].answer()).status == 202


async def test_nothing_is_taken_while_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_slots, "JUDGED_AFTER_SECONDS", 0.0)
    settings = api_settings(max_concurrent_uploads=3)
    async with serving_api(tmp_path, settings) as server, begun_uploads(server, 1000, 1000) as uploads:
        assert (await upload_as_bob(server)).status == 202
        for client in uploads:
            await client.send(BODY[1000:])
            assert (await client.answer()).status == 202


async def test_a_wait_in_vain_ends_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_slots, "PATIENCE_SECONDS", 0.5)
    async with (
        serving_api(tmp_path, api_settings(max_concurrent_uploads=2)) as server,
        begun_uploads(server, 1000, 1000) as ups,
    ):
        answer = await upload_as_bob(server)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) > 0
        await until(lambda: server.upload_gate.in_flight == 2, "the wait to be forgotten")
        await ups[0].send(BODY[1000:])
        assert (await ups[0].answer()).status == 202
