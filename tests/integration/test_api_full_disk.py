"""The API on a disk that is full: one plain answer, nothing half stored, and what needs no room still works."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api.server import ApiServer, serving_api
from support.programs.small_disk import fill, small_disk
from whisperjob.stores.folder import FolderStore
from whisperjob_local.worker_space import WorkerSpace

MIB = 2**20
FULL = {"error": "There is no room left in the store.", "code": "insufficient_storage"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 256) as folder:
        yield folder


def files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


async def status_of_upload(server: ApiServer, size: int) -> int:
    answer = await server.client.post("/whisper_optimize", files={"file": ("talk.wav", bytes(size))})
    if answer.status_code == 507:
        assert answer.json() == FULL
        assert int(answer.headers["retry-after"]) > 0
    return answer.status_code


async def fill_records(server: ApiServer, disk: Path) -> None:
    """Fills the disk of the records, until there is no room for another one."""
    await status_of_upload(server, 10)
    fill(disk)
    while await status_of_upload(server, 10) == 202:
        pass


async def test_a_job_whose_record_does_not_fit_leaves_no_upload(tmp_path: Path, disk: Path) -> None:
    store = tmp_path / "store"
    async with serving_api(disk / "data", store=FolderStore(store)) as server:
        await fill_records(server, disk)
        assert len(files_in(store)) == len(await server.jobs())
        for job in await server.jobs():
            assert (await server.client.get(f"/job/{job}")).status_code == 200
            assert (await server.client.delete(f"/job/{job}")).status_code == 204


async def test_it_is_not_ready_while_no_record_can_be_written_and_answers_nevertheless(
    tmp_path: Path, disk: Path
) -> None:
    async with serving_api(disk / "data", store=FolderStore(tmp_path / "store")) as server:
        job = await server.completed(16_000)
        await fill_records(server, disk)
        assert (await server.client.get("/readyz")).status_code == 503
        assert (await server.client.get("/livez")).status_code == 200
        assert (await server.client.get(f"/job/{job.name}")).json()["status"] == "completed"
        assert (await server.client.get(f"/job/{job.name}/download/output.mp3")).status_code == 200
        (disk / "filler").unlink()
        async with asyncio.timeout(20):
            while (await server.client.get("/readyz")).status_code != 200:
                pass


async def test_a_trim_that_does_not_fit_leaves_nothing(disk: Path) -> None:
    async with serving_api(disk / "data") as server:
        job = await server.completed(160_000)
        before = files_in(disk / "data" / "store")
        filler = fill(disk)
        answer = await server.client.post("/demo_trim", json={"jobId": job.name, "maxSeconds": 5})
        assert (answer.status_code, answer.json()) == (507, FULL)
        assert files_in(disk / "data" / "store") == before
        assert (await server.client.get(f"/job/{job.name}/download/output.mp3")).status_code == 200
        filler.unlink()
        answer = await server.client.post("/demo_trim", json={"jobId": job.name, "maxSeconds": 5})
        assert answer.status_code == 200


async def test_what_workers_will_need_is_kept_free_for_them(disk: Path) -> None:
    """One recording may take the whole disk; a second one must leave room for both."""
    (disk / "scratch").mkdir()
    async with serving_api(disk / "data", worker_disk=WorkerSpace(disk / "scratch")) as server:
        assert await status_of_upload(server, 4 * MIB) == 202
        assert await status_of_upload(server, 2 * MIB) == 202
        assert await status_of_upload(server, 12 * MIB) == 507
        assert shutil.disk_usage(disk).free > 200 * MIB
        for job in await server.jobs():
            await server.client.delete(f"/job/{job}")
        assert await status_of_upload(server, 12 * MIB) == 202
