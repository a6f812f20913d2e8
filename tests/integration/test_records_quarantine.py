"""Records that cannot be read: each is set aside with what it owns, and everything else goes on."""

import io
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.test_engine_loop import a_world
from support.api.server import OTHER_KEY, serving_api
from support.builders import a_spec
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.errors import RecordNotFoundError, RecordUnreadableError
from whisperjob.model.resource import Source, Spec, WhisperJob
from whisperjob.records.cache import RecordCache
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.records.sqlite_file import RecordsDamagedError

DAMAGE = pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("spec", "{", id="JSON that is cut off"),
        pytest.param("spec", "", id="nothing"),
        pytest.param("spec", "[" * 100_000, id="JSON without an end"),
        pytest.param("spec", "{}", id="no source"),
        pytest.param("spec", '{"source": 7}', id="a field of another type"),
        pytest.param("status", '{"phase": "Archived"}', id="a phase of a newer version"),
        pytest.param("status", '{"progress": 1e9}', id="a number out of its range"),
        pytest.param("status", '{"conditions": [{"type": "Archived"}]}', id="a condition of a newer version"),
        pytest.param("status", "null", id="no status"),
        pytest.param("status", b"\xff\xfe{}", id="bytes that are no text"),
        pytest.param("status", '{"completionTime": "2026-02-12T10:00:00"}', id="an end without a time zone"),
        pytest.param("created_at", "yesterday", id="a time that is none"),
        pytest.param("created_at", "2026-02-12T10:00:00", id="a time without its zone"),
    ],
)


def damage(file: Path, name: str, column: str, value: str | bytes) -> None:
    """Overwrites a column of one record, as a fault or an editor does."""
    with sqlite3.connect(file) as sql:
        sql.execute(f"UPDATE records SET {column} = CAST(? AS TEXT) WHERE name = ?", (value, name))
    sql.close()


@dataclass
class Damaged:
    file: Path
    sound: WhisperJob
    broken: WhisperJob


@pytest.fixture
async def two(tmp_path: Path) -> Damaged:
    """A file with two records: the one to be damaged comes first in a listing."""
    file = tmp_path / "jobs.sqlite"
    records = await SqliteRecords.open(file)
    spec = Spec(source=Source(key="uploads/default/a/0011", filename="a.mp4", size_bytes=7))
    made = Damaged(file, await records.create("sound", spec), await records.create("broken", spec))
    await records.close()
    return made


@DAMAGE
async def test_one_unreadable_record_hides_no_other(two: Damaged, column: str, value: str | bytes) -> None:
    damage(two.file, "broken", column, value)
    records = await SqliteRecords.open(two.file)
    first = await records.list(limit=1)
    second = await records.list(limit=1, token=first.next_token)
    assert (first.items, [record.name for record in first.unreadable]) == ((), ["broken"])
    assert (second.items, second.unreadable) == ((two.sound,), ())
    assert first.unreadable[0].why
    with pytest.raises(RecordUnreadableError):
        await records.get("broken")
    with pytest.raises(RecordNotFoundError):
        await records.delete("broken", "another uid")
    await records.delete("broken", two.broken.uid)
    assert (await records.list()).unreadable == ()
    await records.close()


async def test_a_record_that_can_be_read_again_is_released(two: Damaged) -> None:
    records = await SqliteRecords.open(two.file)
    cache = RecordCache(records)
    await cache.relist()
    changes: list[object] = []
    cache.subscribe(changes.append)
    damage(two.file, "broken", "status", '{"phase": "Archived"}')
    for _ in range(2):
        await cache.relist()
        assert [record.name for record in cache.quarantined()] == ["broken"]
        assert cache.get("broken") is None
    assert changes == [], "a record that is set aside was not deleted"
    damage(two.file, "broken", "status", "{}")
    await cache.relist()
    assert (cache.get("broken"), list(cache.quarantined())) == (two.broken, [])
    await records.close()


@DAMAGE
async def test_a_service_starts_and_keeps_what_belongs_to_the_record(
    tmp_path: Path, column: str, value: str | bytes
) -> None:
    async with a_world(tmp_path) as world:
        job = await world.submit("broken", suspend=True)
        result = names.job_prefix("default", job.uid) + "optimize/1/output.mp3"
        world.store.put(result, io.BytesIO(b"sound"))
        before = world.stored_keys()
    damage(tmp_path / "jobs.sqlite", "broken", column, value)
    async with a_world(tmp_path) as world:
        await world.submit("sound")
        await world.launch()
        await world.engine.resync()
        assert set(before) <= set(world.stored_keys())


async def test_the_api_names_the_fault_to_its_owner_alone(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.records.create(names.new_job_name(), a_spec(tenant="alice"))
        other = await server.records.create(names.new_job_name(), a_spec(tenant="alice"))
        await until(lambda: server.cache.get(other.name), "the cache")
        damage(tmp_path / "jobs.sqlite", job.name, "status", '{"phase": "Archived"}')
        await server.cache.relist()
        answer = await server.client.get(f"/job/{job.name}")
        assert (answer.status_code, answer.json()["code"]) == (500, "record_unreadable")
        stranger = await server.client.get(f"/job/{job.name}", headers={"X-API-Key": OTHER_KEY})
        assert stranger.status_code == 404
        assert (await server.client.get("/readyz")).status_code == 200
        assert [shown["jobId"] for shown in (await server.client.get("/jobs")).json()["jobs"]] == [other.name]
        assert (await server.client.delete(f"/job/{job.name}", headers={"X-API-Key": OTHER_KEY})).status_code == 404
        assert (await server.client.delete(f"/job/{job.name}")).status_code == 204
        assert (await server.client.get(f"/job/{job.name}")).status_code == 404


@pytest.mark.parametrize(
    ("position", "data"),
    [
        pytest.param(0, b"certainly not a database" * 100, id="another file"),
        pytest.param(0, b"\0" * 100, id="a lost first sector"),
        pytest.param(4096, b"\xff" * 4096, id="a damaged page"),
        pytest.param(8192, None, id="a file that was cut off"),
    ],
)
async def test_a_damaged_file_is_refused_in_one_sentence_and_stays_as_it_is(
    two: Damaged, position: int, data: bytes | None
) -> None:
    with two.file.open("r+b") as file:
        if data is None:
            file.truncate(position)
        else:
            file.seek(position)
            file.write(data)
    before = two.file.read_bytes()
    with pytest.raises(RecordsDamagedError, match=r"^The job records in .*jobs\.sqlite are damaged \(.*\)\. Nothing"):
        await SqliteRecords.open(two.file)
    assert two.file.read_bytes() == before
