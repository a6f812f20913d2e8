"""The contract of JobRecords, tested on every implementation through the port (records/port.py)."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from whisperjob.model.errors import (
    JobCode,
    RecordConflictError,
    RecordExistsError,
    RecordInvalidError,
    RecordNotFoundError,
    WatchExpiredError,
)
from whisperjob.model.phase import Phase, Profile, Step
from whisperjob.model.resource import DiarizationRequest, JobFailure, Output, Source, Spec, Status, WhisperJob
from whisperjob.records.port import ChangeKind, JobRecords, RecordChange
from whisperjob.records.sqlite import SqliteRecords

SPEC = Spec(source=Source(key="uploads/default/a/0011", filename="été ☀.mp4", size_bytes=7), client_ip="192.0.2.7")
OUTPUT = Output(manifest_key="jobs/u/optimize/1/manifest.json", manifest_sha256="0" * 64, total_chunks=1, size_bytes=9)
ENDED = Status(phase=Phase.COMPLETED, step=Step.DONE, progress=100, attempt=1, output=OUTPUT, duration_seconds=1.5)


@pytest.fixture(params=["sqlite"])
async def records(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobRecords]:
    """Empty records of one namespace. An implementation adds its name to the params and its own way to make them."""
    assert request.param == "sqlite"
    opened = await SqliteRecords.open(tmp_path / "jobs.sqlite", ring_size=100)
    yield opened
    await opened.close()


async def changes(records: JobRecords, version: str, count: int) -> list[RecordChange]:
    """The first `count` changes after `version`."""
    seen: list[RecordChange] = []
    async with asyncio.timeout(10):
        async for change in records.watch(version):
            seen.append(change)
            if len(seen) == count:
                break
    return seen


def names_of(seen: list[RecordChange]) -> list[tuple[ChangeKind, str]]:
    return [(change.kind, change.record.name) for change in seen]


async def test_created_record_reads_back_whole(records: JobRecords) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    created = await records.create("a", SPEC)
    assert created == await records.get("a")
    assert created.spec == SPEC
    assert created.status == Status()
    assert (created.name, created.metadata.namespace) == ("a", records.namespace)
    assert created.metadata.generation == 1
    assert str(UUID(created.uid)) == created.uid
    assert before <= created.metadata.creation_timestamp <= datetime.now(UTC)


async def test_create_is_the_lock(records: JobRecords) -> None:
    outcomes = await asyncio.gather(*(records.create("a", SPEC) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(outcome, WhisperJob) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RecordExistsError) for outcome in outcomes) == 4


@pytest.mark.parametrize("name", ["", "A", "a/b", "-a", "a.b_c", "a" * 64])
async def test_names_are_dns_labels(records: JobRecords, name: str) -> None:
    with pytest.raises(RecordInvalidError):
        await records.create(name, SPEC)


async def test_invalid_spec_is_refused(records: JobRecords) -> None:
    with pytest.raises(RecordInvalidError):
        await records.create("a", SPEC.model_copy(update={"priority": 5000}))


async def test_absent_records_are_not_found(records: JobRecords) -> None:
    with pytest.raises(RecordNotFoundError):
        await records.get("a")
    with pytest.raises(RecordNotFoundError):
        await records.patch_spec("a", SPEC)
    with pytest.raises(RecordNotFoundError):
        await records.patch_status("a", Status(), "1")
    with pytest.raises(RecordNotFoundError):
        await records.delete("a")


async def test_recreated_record_is_another(records: JobRecords) -> None:
    first = await records.create("a", SPEC)
    await records.delete("a")
    second = await records.create("a", SPEC)
    assert second.uid != first.uid
    assert second.version != first.version
    with pytest.raises(RecordNotFoundError):
        await records.delete("a", first.uid)
    await records.delete("a", second.uid)
    with pytest.raises(RecordNotFoundError):
        await records.get("a")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"priority": 7}, id="priority"),
        pytest.param({"suspend": True}, id="suspend"),
        pytest.param({"cancel": True}, id="cancel"),
        pytest.param({"diarization": DiarizationRequest(request_id="r1", num_speakers=2)}, id="diarization"),
    ],
)
async def test_mutable_spec_changes(records: JobRecords, change: dict[str, object]) -> None:
    created = await records.create("a", SPEC)
    wanted = SPEC.model_copy(update=change)
    changed = await records.patch_spec("a", wanted, created.version)
    assert changed.spec == wanted == (await records.get("a")).spec
    assert changed.version != created.version
    assert changed.metadata.generation == 2
    assert changed.uid == created.uid
    assert changed.status == created.status


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"profile": Profile.NONE}, id="profile"),
        pytest.param({"tenant": "other"}, id="tenant"),
        pytest.param({"client_ip": None}, id="client"),
        pytest.param({"max_chunk_seconds": 60}, id="chunks"),
        pytest.param({"track": "1"}, id="track"),
        pytest.param({"language": "de"}, id="language"),
        pytest.param({"multichannel": True}, id="multichannel"),
        pytest.param({"source": SPEC.source.model_copy(update={"size_bytes": 8})}, id="source"),
        pytest.param({"ttl_seconds_after_finished": 1}, id="ttl"),
    ],
)
async def test_the_rest_of_the_spec_is_immutable(records: JobRecords, change: dict[str, object]) -> None:
    created = await records.create("a", SPEC)
    with pytest.raises(RecordInvalidError):
        await records.patch_spec("a", SPEC.model_copy(update=change))
    assert await records.get("a") == created


async def test_channels_that_are_speakers_are_not_diarized(records: JobRecords) -> None:
    spec = SPEC.model_copy(update={"multichannel": True})
    created = await records.create("a", spec)
    with pytest.raises(RecordInvalidError):
        await records.patch_spec("a", spec.with_diarization(DiarizationRequest(request_id="r1")))
    assert await records.get("a") == created


async def test_cancel_cannot_be_taken_back(records: JobRecords) -> None:
    await records.create("a", SPEC)
    await records.patch_spec("a", SPEC.model_copy(update={"cancel": True}))
    with pytest.raises(RecordInvalidError):
        await records.patch_spec("a", SPEC)


async def test_status_write_leaves_spec_and_generation(records: JobRecords) -> None:
    created = await records.create("a", SPEC)
    status = Status(phase=Phase.PROCESSING, step=Step.ENHANCING, progress=50, attempt=1, start_time=datetime.now(UTC))
    changed = await records.patch_status("a", status, created.version)
    assert changed.status == status == (await records.get("a")).status
    assert changed.spec == SPEC
    assert changed.metadata.generation == 1


async def test_stale_writers_conflict(records: JobRecords) -> None:
    created = await records.create("a", SPEC)
    await records.patch_status("a", Status(attempt=1), created.version)
    with pytest.raises(RecordConflictError):
        await records.patch_status("a", Status(attempt=2), created.version)
    with pytest.raises(RecordConflictError):
        await records.patch_spec("a", SPEC.model_copy(update={"priority": 1}), created.version)
    assert (await records.patch_spec("a", SPEC.model_copy(update={"priority": 1}))).spec.priority == 1


async def test_one_of_two_racing_writers_wins(records: JobRecords) -> None:
    created = await records.create("a", SPEC)
    writes = (records.patch_status("a", Status(attempt=n), created.version) for n in (1, 2))
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RecordConflictError", "WhisperJob"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"phase": Phase.ERROR}, id="phase"),
        pytest.param({"duration_seconds": 2.0}, id="duration"),
        pytest.param({"output": OUTPUT.model_copy(update={"total_chunks": 2})}, id="output"),
        pytest.param({"error": JobFailure(code=JobCode.INTERNAL, message="no")}, id="error"),
        pytest.param({"attempt": 0}, id="attempt"),
    ],
)
async def test_ended_status_is_final(records: JobRecords, change: dict[str, object]) -> None:
    created = await records.create("a", SPEC)
    ended = await records.patch_status("a", ENDED, created.version)
    with pytest.raises(RecordInvalidError):
        await records.patch_status("a", ENDED.model_copy(update=change), ended.version)
    assert await records.get("a") == ended


async def test_ended_status_needs_output_or_error(records: JobRecords) -> None:
    created = await records.create("a", SPEC)
    with pytest.raises(RecordInvalidError):
        await records.patch_status("a", Status(phase=Phase.COMPLETED), created.version)


async def test_invalid_status_is_refused(records: JobRecords) -> None:
    created = await records.create("a", SPEC)
    with pytest.raises(RecordInvalidError):
        await records.patch_status("a", Status().model_copy(update={"progress": 101}), created.version)


async def test_write_without_change_is_none(records: JobRecords) -> None:
    created = await records.create("a", SPEC)
    assert await records.patch_status("a", created.status, created.version) == created
    assert await records.patch_spec("a", created.spec) == created


async def test_pages_in_order_of_name(records: JobRecords) -> None:
    names = [f"job-{number}" for number in range(7)]
    for name in reversed(names):
        await records.create(name, SPEC)
    seen: list[list[str]] = []
    token: str | None = None
    while True:
        page = await records.list(limit=3, token=token)
        seen.append([record.name for record in page.items])
        token = page.next_token
        if token is None:
            break
    assert [name for page_names in seen for name in page_names] == names
    assert all(len(page_names) <= 3 for page_names in seen)


async def test_empty_list_can_be_watched_from(records: JobRecords) -> None:
    page = await records.list()
    assert (page.items, page.next_token) == ((), None)
    await records.create("a", SPEC)
    assert names_of(await changes(records, page.version, 1)) == [(ChangeKind.ADDED, "a")]


async def test_watch_yields_every_change_in_order(records: JobRecords) -> None:
    start = (await records.list()).version
    created = await records.create("a", SPEC)
    other = await records.create("b", SPEC)
    changed = await records.patch_status("a", Status(attempt=1), created.version)
    await records.delete("b")
    seen = await changes(records, start, 4)
    assert names_of(seen) == [
        (ChangeKind.ADDED, "a"),
        (ChangeKind.ADDED, "b"),
        (ChangeKind.MODIFIED, "a"),
        (ChangeKind.DELETED, "b"),
    ]
    assert [change.record for change in seen[:3]] == [created, other, changed]
    assert (seen[3].record.uid, seen[3].record.spec) == (other.uid, other.spec)


async def test_watch_resumes_after_any_change(records: JobRecords) -> None:
    start = (await records.list()).version
    for name in "abc":
        await records.create(name, SPEC)
    await records.delete("a")
    first = await changes(records, start, 4)
    for position, change in enumerate(first[:-1], start=1):
        assert await changes(records, change.record.version, 4 - position) == first[position:]
    await records.create("d", SPEC)
    assert names_of(await changes(records, first[-1].record.version, 1)) == [(ChangeKind.ADDED, "d")]


async def test_watch_wakes_for_changes_to_come(records: JobRecords) -> None:
    start = (await records.list()).version
    watchers = [asyncio.create_task(changes(records, start, 3)) for _ in range(3)]
    for name in "abc":
        await records.create(name, SPEC)
    for seen in await asyncio.gather(*watchers):
        assert names_of(seen) == [(ChangeKind.ADDED, name) for name in "abc"]


async def test_changes_between_pages_are_not_lost(records: JobRecords) -> None:
    for name in ("a", "c", "e"):
        await records.create(name, SPEC)
    first = await records.list(limit=2)
    await records.delete("a")
    await records.create("b", SPEC)
    last = await records.list(limit=2, token=first.next_token)
    known = {record.name for record in (*first.items, *last.items)}
    for change in await changes(records, last.version, 2):
        if change.kind is ChangeKind.DELETED:
            known.discard(change.record.name)
        else:
            known.add(change.record.name)
    assert known == {"b", "c", "e"}


async def test_watcher_that_stops_reading_blocks_no_other(records: JobRecords) -> None:
    start = (await records.list()).version
    await records.create("first", SPEC)
    lazy = aiter(records.watch(start))
    assert (await anext(lazy)).record.name == "first"
    async with asyncio.timeout(10):
        for number in range(50):
            await records.create(f"job-{number}", SPEC)
    assert (await anext(lazy)).record.name == "job-0"


async def test_watch_from_a_foreign_version_expires(records: JobRecords) -> None:
    with pytest.raises(WatchExpiredError):
        await changes(records, "not-a-version", 1)


async def test_check_answers(records: JobRecords) -> None:
    await records.check()
