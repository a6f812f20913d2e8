"""What a sweep removes and what it leaves, on a real folder and a real S3 service; only the clock is played."""

import io
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from integration.test_engine_loop import SETTINGS, World, a_world
from support.clocks import Clocks
from support.stores.minio_server import MinioServer
from support.waiting import until
from whisperjob.model import names
from whisperjob.model.clock import utc_now
from whisperjob.model.phase import Phase, Stage
from whisperjob.model.workers import WorkerState
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import ObjectStore, StoredObject
from whisperjob.stores.s3 import S3Store

HOURS, DAY = timedelta(hours=6), timedelta(days=1)


class Site:
    """A store, the folders of services that use it, and the time, which passes when a test says so."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.clocks = Clocks(wall=utc_now())

    @asynccontextmanager
    async def service(self, name: str = "a", *, alone: bool = True) -> AsyncIterator[World]:
        """Starts a service with records of its own, or once more with those that it had."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        self.clocks.restart()
        async with a_world(folder, SETTINGS, alone=alone, clock=self.clocks.watched, store=self.store) as world:
            yield world

    async def pass_days(self, days: float, *worlds: World) -> None:
        """Lets time pass, in which each service sweeps every six hours."""
        for _ in range(round(days * DAY / HOURS)):
            self.clocks.pass_time(HOURS)
            for world in worlds:
                await world.engine.resync()

    def file(self, name: str = "a") -> Path:
        return self.folder / name / "jobs.sqlite"

    def keys(self, *, markers: bool = False) -> set[str]:
        return {stored.key for stored in self.store.list("") if markers or not stored.key.startswith("installations/")}

    def put(self, *keys: str) -> set[str]:
        for key in keys:
            self.store.put(key, io.BytesIO(b"x"))
        return set(keys)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.minio)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "folder":
        return Site(FolderStore(tmp_path / "objects"), tmp_path)
    minio: MinioServer = request.getfixturevalue("minio_server")
    return Site(S3Store(minio.settings()), tmp_path)


async def complete(world: World, name: str) -> set[str]:
    """Makes a job complete; returns the keys of its results."""
    await world.submit(name)
    launch = await world.launch(len(world.launcher.launched) + 1)
    world.publish(launch)
    world.launcher.becomes(launch, WorkerState.SUCCEEDED)
    await world.phase(Phase.COMPLETED, name)
    await world.engine.resync()
    prefix = names.attempt_prefix("default", launch.job.uid, Stage.OPTIMIZE, 1)
    return {prefix + names.MANIFEST_NAME, prefix + names.SINGLE_OUTPUT_NAME}


def orphans(number: int = 1) -> list[str]:
    """What crashes leave: an upload whose record was never made, and a result whose record is gone."""
    return [
        names.new_upload_key("default", f"never-recorded-{number}"),
        names.attempt_prefix("default", f"gone-{number}", Stage.OPTIMIZE, 1) + "output.mp3",
    ]


async def test_an_orphan_goes_when_it_was_seen_for_a_day_also_by_several_runs(site: Site) -> None:
    async with site.service() as world:
        results = await complete(world, "first") | await complete(world, "second")
        left = site.put(*orphans())
        await world.engine.resync()
        await site.pass_days(0.5, world)
        assert site.keys() == results | left
    async with site.service() as world:
        await site.pass_days(0.25, world)
        assert site.keys() == results | left
        assert world.engine.sweeper.orphans == 2
        await site.pass_days(0.5, world)
        assert site.keys() == results


async def test_a_job_that_was_deleted_before_a_crash_goes_at_the_next_start(site: Site) -> None:
    async with site.service() as world:
        await complete(world, "talk")
    records = await SqliteRecords.open(site.file())
    await records.delete("talk")  # and the process is killed before it removes the objects
    await records.close()
    async with site.service():
        await until(lambda: site.keys() == set(), "the objects to go")
    async with site.service() as world:
        assert await world.records.tombstones() == ()


async def test_what_a_record_no_longer_needs_goes_at_the_next_start(site: Site) -> None:
    """A stage ended, and the process was killed before it removed the source and the failed attempts."""
    async with site.service() as world:
        results = await complete(world, "talk")
        job = world.cache.get("talk")
    assert job is not None
    site.put(job.spec.source.key, names.attempt_prefix("default", job.uid, Stage.OPTIMIZE, 7) + "output.mp3")
    async with site.service():
        assert site.keys() == results


async def test_what_restored_records_no_longer_name_goes_slowly(site: Site) -> None:
    """A backup is older than the objects: the diarization that was made since is not what the record says."""
    async with site.service() as world:
        results = await complete(world, "talk") | await complete(world, "other")
        job = world.cache.get("talk")
    assert job is not None
    backup = site.file().read_bytes()
    async with site.service() as world:
        made = await world.submit("new", suspend=True)
        await world.records.delete("new", made.uid)
        await site.pass_days(0.25, world)
    timeline = site.put(names.attempt_prefix("default", job.uid, Stage.DIARIZE, 1) + names.MANIFEST_NAME)
    for leftover in site.file().parent.glob("jobs.sqlite-*"):
        leftover.unlink()
    site.file().write_bytes(backup)
    async with site.service() as world:
        await site.pass_days(0.75, world)
        assert site.keys() == results | timeline
        await site.pass_days(0.5, world)
        assert site.keys() == results


@pytest.mark.parametrize("jump", [2 * DAY, -8 * DAY], ids=str)
async def test_a_jump_of_the_clock_makes_no_orphan_older(site: Site, jump: timedelta) -> None:
    async with site.service() as world:
        results = await complete(world, "first") | await complete(world, "second")
        left = site.put(*orphans())
        await world.engine.resync()
        site.clocks.jump(jump)
        await site.pass_days(0.75, world)
        assert site.keys() == results | left


async def test_an_orphan_that_gets_its_record_back_begins_anew(site: Site) -> None:
    """As after a restored backup, which is followed by a better one."""
    async with site.service() as world:
        results = await complete(world, "first") | await complete(world, "second") | await complete(world, "third")
    complete_file = site.file().read_bytes()
    with sqlite3.connect(site.file()) as sql:
        sql.execute("DELETE FROM records WHERE name = 'first'")
    sql.close()
    async with site.service() as world:
        await site.pass_days(0.75, world)
        assert world.engine.sweeper.orphans == 2
    for leftover in site.file().parent.glob("jobs.sqlite-*"):
        leftover.unlink()
    site.file().write_bytes(complete_file)
    async with site.service() as world:
        await site.pass_days(3, world)
        assert (site.keys(), world.engine.sweeper.orphans) == (results, 0)


async def test_records_that_were_emptied_delete_nothing(site: Site) -> None:
    async with site.service() as world:
        results = await complete(world, "first") | await complete(world, "second")
    with sqlite3.connect(site.file()) as sql:
        sql.execute("DELETE FROM records")
    sql.close()
    for alone in (True, False):
        async with site.service(alone=alone) as world:
            await site.pass_days(3, world)
            assert (site.keys(), world.engine.sweeper.disputed) == (results, 2)
    async with site.service() as world:
        new = await complete(world, "new-one") | await complete(world, "new-two") | await complete(world, "new-three")
        await site.pass_days(3, world)
        assert site.keys() == results | new


async def test_a_lost_database_deletes_nothing_and_says_which_marker_is_in_the_way(site: Site) -> None:
    async with site.service() as world:
        old = await complete(world, "old")
    shutil.rmtree(site.file().parent)
    async with site.service() as world:
        new = await complete(world, "one") | await complete(world, "two")
        await site.pass_days(3, world)
        assert site.keys() == old | new
        (marker,) = [key for key in site.keys(markers=True) if key in world.engine.sweeper.problem]
        site.store.delete(marker)
        await site.pass_days(3, world)
        assert (site.keys(), world.engine.sweeper.problem) == (old | new, "")


async def test_two_services_on_one_store_delete_nothing_of_each_other(site: Site) -> None:
    async with site.service("a") as first, site.service("b") as second:
        results = await complete(first, "one") | await complete(first, "two")
        results |= await complete(second, "three") | await complete(second, "four")
        await site.pass_days(3, first, second)
        assert site.keys() == results
        for world in (first, second):
            assert "another installation" in world.engine.sweeper.problem
        job = first.cache.get("one")
        assert job is not None
        await first.records.delete("one", job.uid)
        await first.engine.resync()
        gone = {key for key in results if job.uid in key}
        assert site.keys() == results - gone, "what is deleted on purpose goes at once"


async def test_two_processes_with_the_same_records_delete_nothing_of_each_other(site: Site) -> None:
    """A copied data folder, or an etcd that was restored elsewhere: the markers are one."""
    async with site.service("a") as world:
        results = await complete(world, "old")
    shutil.copytree(site.folder / "a", site.folder / "b")
    async with site.service("a") as first, site.service("b") as second:
        results |= await complete(first, "one") | await complete(second, "two")
        await site.pass_days(3, first, second)
        assert site.keys() == results
        assert "another process" in first.engine.sweeper.problem


async def test_no_other_namespace_is_listed_or_touched(tmp_path: Path) -> None:
    listed: list[str] = []

    class Listed(FolderStore):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            listed.append(prefix)
            return super().list(prefix)

    site = Site(Listed(tmp_path / "objects"), tmp_path)
    async with site.service() as world:
        await site.pass_days(1, world)
    assert {tuple(prefix.split("/")[:2]) for prefix in listed} == {
        ("uploads", "default"),
        ("jobs", "default"),
        ("installations", "default"),
    }


@pytest.mark.minio
async def test_unfinished_uploads_of_another_namespace_stay(minio_server: MinioServer, tmp_path: Path) -> None:
    settings = minio_server.settings()
    site = Site(S3Store(settings), tmp_path)
    site.put("uploads/default/talk/0")
    client = S3Store(settings)._client
    for key in ("uploads/other/talk/1", "uploads/default/talk/2"):
        client._create_multipart_upload(settings.s3_bucket, key, {})
    async with site.service():
        left = client._list_multipart_uploads(settings.s3_bucket).uploads
    assert [upload.object_name for upload in left] == ["uploads/other/talk/1"]
